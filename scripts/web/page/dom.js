// Elements of the page. Text is always set as text, so that names of files cannot become markup.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "text") made.textContent = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

let numbered = 0;

export function freshId(word) {
  numbered += 1;
  return `${word}-${numbered}`;
}

export function button(text, action, properties = {}) {
  return element("button", {type: "button", text, onclick: action, ...properties});
}

// The heading of a view, which names the page too.
export function title(text) {
  document.title = `${text} \u2013 pneumoseg`;
  return element("h1", {text});
}

// A titled part of the page.
export function section(heading, properties, ...children) {
  const id = freshId("heading");
  return element("section", {"aria-labelledby": id, ...properties}, element("h2", {id, text: heading}), ...children);
}

// Rows of cells, the first of each row its heading. It scrolls sideways where it is too wide, also by keyboard.
export function table(caption, headings, rows, {hideCaption = false} = {}) {
  const head = element("tr", {}, headings.map((text) => element("th", {scope: "col", text})));
  const body = rows.map(([first, ...cells]) =>
    element("tr", {}, element("th", {scope: "row"}, first), cells.map((cell) => element("td", {}, cell))));
  return element("div", {class: "scrolled", tabindex: "0", role: "region", "aria-label": caption},
    element("table", {},
      element("caption", {class: hideCaption ? "unseen" : null, text: caption}),
      element("thead", {}, head), element("tbody", {}, body)));
}

export function swatch(colour) {
  const made = element("span", {class: "swatch", "aria-hidden": "true"});
  made.style.backgroundColor = `rgb(${colour.join(" ")})`;
  return made;
}

// Says something to readers of screens.
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

export function problem(text) {
  return element("p", {class: "problem", role: "alert"}, element("strong", {text: "Error: "}), text);
}
