// The first view: the upload, the history of jobs, and the choice of two dates to compare.

import {getJson, hasEnded} from "./api.js";
import {element, title} from "./dom.js";
import {compareForm} from "./compare.js";
import {history} from "./history.js";
import {uploadForm} from "./upload.js";

const EVERY_MS = 2000;

export async function showStart(view, signal) {
  const heading = title("Studies");
  const list = history(signal, () => refresh());
  const comparing = compareForm();
  view.append(heading);
  const [models, jobs] = await Promise.all([getJson("models", {signal}), getJson("jobs", {signal})]);
  view.append(
    element("div", {class: "start"},
      element("div", {class: "asked"}, uploadForm(models, () => refresh(), signal), comparing.form), list.section));
  let next = null;

  const show = (all) => {
    list.show(all);
    comparing.offer(all);
    clearTimeout(next);
    if (!all.every(hasEnded)) next = setTimeout(() => refresh().catch(() => {}), EVERY_MS);
  };
  const refresh = async () => {
    const all = await getJson("jobs", {signal});
    if (!signal.aborted) show(all);
  };
  signal.addEventListener("abort", () => clearTimeout(next));
  show(jobs);
}
