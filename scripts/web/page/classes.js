// The classes of masks, with their names and colours.

import {className} from "./words.js";

const OF_LUNGS = {
  classes: ["background", "lung_left", "lung_right", "infection"],
  colours: [[0, 0, 0], [64, 132, 214], [120, 196, 240], [214, 39, 40]],
};
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

// Of the model that made a mask; those of lungs where the model is gone.
export function classesOf(job, models) {
  const {classes, colours} = models.find(({name}) => name === job.model) ?? OF_LUNGS;
  return classes.map((name, value) => ({value, key: name, name: className(name), colour: colours[value]})).slice(1);
}
