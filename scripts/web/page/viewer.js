// The viewer: one CT or two beside each other, with one set of controls.

import {element, freshId, problem} from "./dom.js";
import {OPACITY, overlayControls} from "./overlay.js";
import {VIEWS, canDraw, createScene} from "./scene.js";
import {decimals} from "./words.js";

const WINDOWS = {
  lung: {name: "Lung", centre: -600, width: 1500},
  soft: {name: "Soft tissue", centre: 40, width: 400},
  bone: {name: "Bone", centre: 400, width: 1800},
};
const limits = ({centre, width}) => [centre - width / 2, centre + width / 2];

// Fills `place` with a viewer. `panes`: each with `title`, `image` and `overlay` (buffers); `classes`: of the overlays,
// with `value`, `name` and `colour`; `focus`: the class whose largest slice is shown first, or null; `opacity`: of the
// overlays at first; `fallback` makes what is shown where there is no WebGL.
export async function show(place, {panes, classes, focus = null, opacity = OPACITY, fallback = () => "", signal}) {
  if (!canDraw()) {
    place.replaceChildren(
      problem("This browser cannot draw volumes, as it has no WebGL 2. The downloads are complete."),
      await fallback());
    return;
  }
  const canvases = panes.map(() => element("canvas", {tabindex: "0", role: "img", "aria-label": "CT"}));
  const reading = element("span", {class: "reading"});
  const slider = element("input", {type: "range", min: 0, max: 0, step: 1, "aria-label": "Slice"});
  const number = element("span", {class: "number"}); // the slider tells it to readers of screens
  const windowNumber = element("span", {class: "number quiet"});
  let scenes = [];
  let following = false; // a scene that follows another one must not lead it in turn

  const showPlace = (scene) => {
    const slice = scene.slice();
    slider.disabled = slice === null;
    if (slice) {
      slider.max = slice.count - 1;
      slider.value = slice.index;
    }
    const viewName = VIEWS[chosen(views)].name;
    const text = slice ? `Slice ${slice.index + 1} of ${slice.count}` : "";
    number.textContent = text;
    slider.setAttribute("aria-valuetext", text);
    const {hu, label} = scene.value();
    const name = classes.find(({value}) => value === label)?.name;
    reading.textContent = slice ? [`${decimals(hu, 0)} HU`, name].filter(Boolean).join(", ") : "";
    scenes.forEach(({canvas}, which) => {
      canvas.setAttribute("aria-label", [panes[which].title, viewName, text].filter(Boolean).join(", "));
    });
  };
  const onPlace = (scene) => {
    if (following || !scenes.includes(scene)) return;
    following = true;
    for (const other of scenes.filter((one) => one !== scene)) other.setPlace(scene.place());
    following = false;
    showPlace(scene);
  };
  const showWindow = ([low, high]) => {
    windowNumber.textContent = `L ${decimals((low + high) / 2, 0)} W ${decimals(high - low, 0)}`;
  };
  const each = (act) => scenes.forEach(act);

  const views = radios("View", Object.entries(VIEWS).map(([value, {name}]) => ({value, name})), (value) => {
    each((scene) => scene.setView(value));
    showPlace(scenes[0]);
  });
  const windows = element("select", {id: freshId("window"), onchange: (event) => {
    const hu = limits(WINDOWS[event.target.value]);
    each((scene) => scene.setWindow(hu));
    showWindow(hu);
  }}, Object.entries(WINDOWS).map(([value, {name}]) => element("option", {value, text: name})));
  slider.addEventListener("input", () => scenes[0].goTo(Number(slider.value)));

  const host = element("div", {class: "viewer"},
    element("div", {class: "controls"}, views,
      element("p", {class: "window"}, element("label", {for: windows.id, text: "Window"}), windows, windowNumber)),
    element("div", {class: `panes of-${panes.length}`}, panes.map(({title}, which) =>
      element("figure", {}, title ? element("figcaption", {text: title}) : "",
        element("div", {class: "canvas"}, canvases[which])))),
    element("div", {class: "slice"}, slider, number, reading),
    overlayControls(classes, {
      start: opacity,
      onHidden: (values) => each((scene) => scene.setHidden(values)),
      onOpacity: (share) => each((scene) => scene.setOpacity(share)),
      onOutline: (instead) => each((scene) => scene.setOutlined(instead)),
    }),
    element("p", {class: "quiet hint"}, "The patient’s right (R) is on the left of the picture. ",
      "Wheel, slider or arrow keys change the slice; a click moves the cross; the right button changes the window."));

  place.replaceChildren(host); // before the scenes: NiiVue measures the canvases
  scenes = await Promise.all(panes.map(({image, overlay}, which) => createScene(canvases[which], {
    image, overlay, classes, opacity, windowHu: limits(WINDOWS.lung), onPlace, onWindow: showWindow,
  })));
  const dispose = () => each((scene) => scene.dispose());
  if (signal.aborted) {
    dispose();
    return;
  }
  signal.addEventListener("abort", dispose);
  each(listenToKeys);
  scenes[0].showLargest(focus);
  showWindow(limits(WINDOWS.lung));
  showPlace(scenes[0]);
  host.dataset.ready = "yes";
}

function radios(legend, options, onChosen) {
  const name = freshId("radio");
  return element("fieldset", {class: "segmented"}, element("legend", {class: "unseen", text: legend}),
    options.map(({value, name: text}, place) => element("label", {},
      element("input", {type: "radio", name, value, checked: place === 0, onchange: () => onChosen(value)}),
      element("span", {text}))));
}

const chosen = (group) => group.querySelector("input:checked").value;

function listenToKeys(scene) {
  scene.canvas.parentElement.addEventListener("keydown", (event) => {
    event.stopPropagation(); // NiiVue has keys of its own
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const slice = scene.slice();
    const turns = {ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, 5], ArrowDown: [0, -5]}[event.key];
    const target = slice && {
      ArrowUp: slice.index + 1, ArrowRight: slice.index + 1, ArrowDown: slice.index - 1, ArrowLeft: slice.index - 1,
      PageUp: slice.index + 5, PageDown: slice.index - 5, Home: 0, End: slice.count - 1,
    }[event.key];
    if (slice ? target === undefined : !turns) return;
    event.preventDefault();
    if (slice) scene.goTo(target);
    else scene.turn(...turns);
  }, {capture: true});
  scene.canvas.parentElement.addEventListener("keyup", (event) => event.stopPropagation(), {capture: true});
}
