// The classes of a label map, with their names and colours.

import {resultJson} from "./api.js";
import {className} from "./words.js";

// Of the maps of a job, but the background.
export async function classesOf(job, signal) {
  const rows = await resultJson(job.id, "labels.json", {signal});
  return rows.filter(({number}) => number > 0).map(({number, name, colour}) =>
    ({value: number, key: name, name: className(name), colour}));
}
