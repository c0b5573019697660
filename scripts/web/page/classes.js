// The classes of masks, with their names and colours.

import {className} from "./words.js";

// For classes whose model is gone.
const COLOURS = [
  [64, 132, 214], [120, 196, 240], [214, 39, 40], [230, 159, 0], [0, 158, 115], [204, 121, 167], [240, 228, 66],
];

// Readers with any of the three colour blindnesses tell these apart.
export const ERRORS = [
  {value: 1, name: "Missed", colour: [213, 94, 0]},
  {value: 2, name: "False", colour: [204, 121, 167]},
];
export const CHANGES = [
  {value: 1, name: "Unchanged", colour: [230, 159, 0]},
  {value: 2, name: "New", colour: [213, 62, 79]},
  {value: 3, name: "Resolved", colour: [0, 158, 115]},
];

// The classes of a job's mask but the background, from its `manifest` and the models that the server has now.
export function classesOf(job, models, manifest) {
  const same = ({classes}) => classes.join("\n") === manifest?.labels?.join("\n");
  const model = models.find(({name}) => name === job.model) ?? models.find(same);
  const labels = manifest?.labels ?? model?.classes ?? [];
  const colour = (value) => asTriple(model?.colours?.[value]) ?? COLOURS[(value - 1) % COLOURS.length];
  return labels.map((key, value) => ({value, key, name: className(key), colour: colour(value)})).slice(1);
}

// Red, green and blue of 0..255, from "#rrggbb" or as they are.
function asTriple(colour) {
  if (typeof colour !== "string") return colour;
  return [1, 3, 5].map((start) => Number.parseInt(colour.slice(start, start + 2), 16));
}
