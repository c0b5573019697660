// The two questions of the page: for the token, and whether something is really meant. Both are asked in one dialog.

import {button, element} from "./dom.js";

const dialog = () => document.getElementById("dialog");

function ask(heading, contents, answerOf) {
  return new Promise((resolve) => {
    const form = element("form", {method: "dialog"}, element("h2", {id: "dialog-heading", text: heading}), contents);
    dialog().replaceChildren(form);
    let answer = null;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answer = answerOf(form);
      dialog().close();
    });
    dialog().addEventListener("close", () => resolve(answer), {once: true});
    dialog().showModal();
  });
}

// The token that was typed in, or null.
export function askForToken(refused) {
  const field = element("input", {type: "password", id: "token", autocomplete: "off", required: true});
  return ask("Token", [
    element("p", {text: refused ? "The server did not accept this token." : "This server asks for its token."}),
    element("label", {for: "token", text: "Token"}), field,
    element("p", {class: "quiet", text: "It is kept until this tab is closed."}),
    element("p", {class: "buttons"}, element("button", {type: "submit", class: "main", text: "Continue"})),
  ], () => field.value.trim());
}

export async function isMeant(heading, sentence, yes) {
  const answer = await ask(heading, [
    element("p", {text: sentence}),
    element("p", {class: "buttons"},
      element("button", {type: "submit", class: "danger", text: yes}),
      button("Keep", () => dialog().close())),
  ], () => true);
  return answer === true;
}
