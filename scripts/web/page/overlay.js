// The controls of an overlay: which classes are shown, and how much of the picture they hide.

import {element, freshId, swatch} from "./dom.js";

export const OPACITY = 0.45;

// `start`: the opacity at first. `onHidden` is told the values of the classes not to show, `onOpacity` a share;
// `onOutline`, where it is given, whether outlines are to be drawn instead of areas.
export function overlayControls(classes, {start = OPACITY, onHidden, onOpacity, onOutline}) {
  const hidden = new Set();
  const opacity = element("input", {type: "range", id: freshId("opacity"), min: 0, max: 100, value: 100 * start,
    oninput: () => onOpacity(Number(opacity.value) / 100)});
  const outline = onOutline && element("label", {class: "class"},
    element("input", {type: "checkbox", onchange: (event) => onOutline(event.target.checked)}), "Outlines");
  const toggles = classes.map(({value, name, colour}) => {
    const toggle = element("input", {type: "checkbox", checked: true, onchange: () => {
      if (toggle.checked) hidden.delete(value);
      else hidden.add(value);
      onHidden(hidden);
    }});
    return element("label", {class: "class"}, toggle, swatch(colour), name);
  });
  return element("fieldset", {class: "overlay"}, element("legend", {class: "unseen", text: "Overlay"}), toggles,
    element("span", {class: "opacity"}, element("label", {for: opacity.id, text: "Opacity"}), opacity), outline);
}
