// The upload of a reference mask, against which the mask of a job is scored.

import {jobPath, send} from "./api.js";
import {element, problem, section} from "./dom.js";

export function referenceCard(job) {
  const file = element("input", {type: "file", id: "reference", required: true});
  const start = element("button", {type: "submit", text: "Score against it"});
  const failed = element("div", {});
  const form = element("form", {},
    element("p", {}, element("label", {for: "reference", text: "Reference mask of this study"}), file),
    element("p", {}, start), failed);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    failed.replaceChildren();
    start.disabled = true;
    try {
      const made = await send(`${jobPath(job.id)}/scores`, [...file.files], {}, () => {});
      location.hash = `#/jobs/${encodeURIComponent(made.id)}`;
    } catch (error) {
      failed.append(problem(error.message));
    } finally {
      start.disabled = false;
    }
  });
  return section("Compare with a reference", {class: "card reference"}, form);
}
