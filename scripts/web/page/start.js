// The first view: the upload, the history of jobs, and the choice of two dates to compare.

import {getJson, hasEnded} from "./api.js";
import {element, problem, title} from "./dom.js";
import {compareForm} from "./compare.js";
import {history} from "./history.js";
import {uploadForm} from "./upload.js";

const EVERY_MS = 2000;

export async function showStart(view, signal) {
  const heading = title("Studies");
  const list = history(signal, () => refresh());
  const comparing = compareForm();
  view.append(heading);
  const [models, jobs, health] = await Promise.all([
    getJson("models", {signal}), getJson("jobs", {signal}), getJson("health", {signal}).catch((error) => {
      if (error.status !== 503) throw error;
      return {problem: error.message};
    }),
  ]);
  const upload = uploadForm({models, mostBytes: health.max_upload_bytes ?? Infinity, onSent: () => refresh(), signal});
  view.append(health.problem ? problem(health.problem) : "",
    element("div", {class: "start"}, element("div", {class: "asked"}, upload, comparing.form), list.section));
  let next = null;

  const show = (all) => {
    list.show(all);
    comparing.offer(all, models);
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
