// A job: how far it is, then what came of it.

import {hasEnded, job as getJob, jobChanges, jobPath, request, results} from "./api.js";
import {announce, button, element, problem, title} from "./dom.js";
import {showCt} from "./ct.js";
import {showFollowUp} from "./followup.js";
import {factsOf, stateOf} from "./history.js";
import {showPicture} from "./picture.js";
import {showScores} from "./scores.js";

export async function showJob(view, id, signal) {
  let job = await getJob(id, {signal});
  const facts = element("p", {class: "quiet"});
  const describe = (now) => { facts.textContent = factsOf(now); };
  describe(job);
  view.append(element("nav", {"aria-label": "Back"}, element("a", {href: "#/", text: "All studies"})),
    element("div", {class: "heading"}, title(job.name), facts));
  if (!hasEnded(job)) job = await follow(view, job, signal, describe);
  if (signal.aborted) return;
  if (job.state === "failed") view.append(problem(job.error ?? "The job failed."));
  if (job.state === "cancelled") view.append(element("p", {class: "card", text: "This job was cancelled."}));
  if (job.state === "finished") await showResults(view, job, signal);
}

// `onChange` is told the job at each change.
async function follow(view, job, signal, onChange) {
  const bar = element("progress", {max: 1, "aria-label": "Progress"});
  const text = element("p", {class: "big"});
  const stop = button("Cancel", async () => {
    stop.disabled = true;
    await request(`${jobPath(job.id)}/cancel`, {method: "POST", signal}).catch((error) => {
      if (error.status !== 409) card.append(problem(error.message)); // 409: it has just ended
    });
  });
  const card = element("div", {class: "card running"}, text, bar, element("p", {}, stop));
  view.append(card);
  let now = job;
  let said = "";
  const show = () => {
    text.textContent = stateOf(now);
    if (now.state === "running" && now.progress > 0) bar.value = now.progress;
    else bar.removeAttribute("value"); // it goes on, but nobody knows how far
    const stage = now.stage ?? now.state;
    if (said !== stage) announce(stateOf(now)); // each stage once: not every percent
    said = stage;
    onChange(now); // such as the model, which is chosen when the job begins
  };
  show();
  for await (now of jobChanges(job.id, signal)) show();
  card.remove();
  announce(stateOf(now));
  return now;
}

async function showResults(view, job, signal) {
  const files = await results(job.id, {signal});
  const has = (name) => files.some((file) => file.name === name);
  const found = {job, files, has, signal};
  const host = element("div", {class: "result"});
  view.append(host);
  if (job.kind === "scores") await showScores(host, found);
  else if (job.kind === "follow-up") await showFollowUp(host, found);
  else if (has("mask.nii.gz")) await showCt(host, found);
  else await showPicture(host, found);
}
