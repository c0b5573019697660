// The choice of two CTs of one patient whose change is to be measured.

import {getJson} from "./api.js";
import {element, section} from "./dom.js";
import {jobForm} from "./job_form.js";
import {moment} from "./words.js";

// `form`, and `offer`, which tells it the jobs and the models that there are.
export function compareForm() {
  const earlier = element("select", {id: "earlier", required: true});
  const later = element("select", {id: "later", required: true});
  const fields = [
    element("p", {}, element("label", {for: "earlier", text: "Earlier CT"}), earlier),
    element("p", {}, element("label", {for: "later", text: "Later CT"}), later),
  ];
  const form = jobForm(fields, "Compare", () => {
    const body = JSON.stringify({baseline: earlier.value, follow_up: later.value});
    return getJson("follow-ups", {method: "POST", headers: {"Content-Type": "application/json"}, body});
  });
  const whole = section("Two dates of one patient", {class: "card compare"}, form);

  const offer = (jobs, models) => {
    const pictures = models.filter(({kind}) => kind === "picture").map(({name}) => name);
    const usable = jobs.filter(({kind, state, model}) =>
      kind === "segmentation" && state === "finished" && !pictures.includes(model));
    whole.hidden = usable.length < 2;
    fill(earlier, usable, usable.at(1)?.id);
    fill(later, usable, usable.at(0)?.id);
  };
  return {form: whole, offer};
}

function fill(select, jobs, preset) {
  const ids = jobs.map(({id}) => id);
  const known = [...select.options].map(({value}) => value);
  if (ids.length === known.length && ids.every((id, place) => id === known[place])) return;
  const chosen = ids.includes(select.value) ? select.value : preset;
  select.replaceChildren(...jobs.map(({id, name, created}) =>
    element("option", {value: id, text: `${name} (${moment(created)})`})));
  if (chosen) select.value = chosen;
}
