// A form that asks for a job.

import {element, problem} from "./dom.js";

// `fields`, then a button with `text`. `make` gives the new job, whose page is opened; a refusal is shown in the form.
export function jobForm(fields, text, make) {
  const failed = element("div", {});
  const start = element("button", {type: "submit", text});
  const form = element("form", {}, fields, element("p", {}, start), failed);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    failed.replaceChildren();
    start.disabled = true;
    try {
      const job = await make();
      location.hash = `#/jobs/${encodeURIComponent(job.id)}`;
    } catch (error) {
      failed.append(problem(error.message));
    } finally {
      start.disabled = false;
    }
  });
  return form;
}
