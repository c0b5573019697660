// The upload of a reference mask, against which the mask of a job is scored.

import {jobPath, send} from "./api.js";
import {element, section} from "./dom.js";
import {jobForm} from "./job_form.js";

export function referenceCard(job) {
  const file = element("input", {type: "file", id: "reference", required: true});
  const field = element("p", {}, element("label", {for: "reference", text: "Reference mask of this study"}), file);
  const form = jobForm([field], "Score against it", () =>
    send(`${jobPath(job.id)}/scores`, [...file.files], {}, () => {}));
  return section("Compare with a reference", {class: "card reference"}, form);
}
