// The jobs, newest first.

import {jobPath, request} from "./api.js";
import {button, element, section} from "./dom.js";
import {isMeant} from "./dialogs.js";
import {kindName, moment, percent, stateName} from "./words.js";

// `section` with a list that `show` fills; `onDeleted` is called after a job was deleted.
export function history(signal, onDeleted) {
  const list = element("ul", {class: "jobs"});
  const empty = element("p", {class: "quiet",
    text: "No study yet. What you upload is listed here until it is deleted."});
  const rows = new Map(); // rows stay, so that the focus stays too

  const remove = async (job) => {
    if (!await isMeant("Delete the study?", `${job.name} and all of its results are deleted.`, "Delete")) return;
    await request(jobPath(job.id), {method: "DELETE", signal});
    await onDeleted();
  };
  const show = (jobs) => {
    empty.hidden = jobs.length > 0;
    for (const [id, {row}] of rows) {
      if (!jobs.some((job) => job.id === id)) {
        row.remove();
        rows.delete(id);
      }
    }
    jobs.forEach((job, place) => {
      if (!rows.has(job.id)) rows.set(job.id, rowOf(job, () => remove(job)));
      const {row, update} = rows.get(job.id);
      update(job);
      if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
    });
  };
  return {section: section("History", {class: "card history"}, empty, list), show};
}

function rowOf(job, remove) {
  const state = element("span", {class: "state"});
  const facts = element("span", {class: "quiet"});
  const row = element("li", {},
    element("div", {class: "what"},
      element("a", {href: `#/jobs/${encodeURIComponent(job.id)}`, text: job.name}), facts),
    state, button("Delete", remove, {class: "plain", "aria-label": `Delete ${job.name}`}));
  const update = (now) => {
    state.dataset.state = now.state;
    state.textContent = stateOf(now);
    facts.textContent = factsOf(now);
  };
  return {row, update};
}

// Such as "Segmentation · covid-lungs · 29 Nov 2026, 12:00".
export const factsOf = ({kind, model, created}) =>
  [kindName(kind), model, moment(created)].filter(Boolean).join(" · ");

// Such as "Waiting, 2 before it", "Segmenting, 40 %" or "Finished".
export function stateOf({state, stage, position, progress}) {
  if (state === "queued" && position) return `${stateName(state)}, ${position} before it`;
  if (state !== "running" || !stage) return stateName(state);
  const words = `${stage.charAt(0).toUpperCase()}${stage.slice(1)}`;
  return progress > 0 ? `${words}, ${percent(progress)}` : words;
}
