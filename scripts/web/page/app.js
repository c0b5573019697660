// The page: which view the address asks for.

import {element, problem} from "./dom.js";
import {showJob} from "./job.js";
import {showStart} from "./start.js";

const main = document.getElementById("main");
let leaving = new AbortController();

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const {signal} = leaving;
  const view = element("div", {class: "view"});
  main.replaceChildren(view);
  window.scrollTo(0, 0);
  const id = /^#\/jobs\/(.+)$/.exec(location.hash)?.[1];
  try {
    await (id ? showJob(view, decodeURIComponent(id), signal) : showStart(view, signal));
  } catch (error) {
    if (signal.aborted) return;
    view.append(problem(error.message), element("p", {}, element("a", {href: "#/", text: "All studies"})));
  }
}

window.addEventListener("hashchange", () => {
  show();
  main.focus({preventScroll: true}); // the link that was followed is gone
});
show();
