// What came of a CT: the verdict, the CT with its mask, and the numbers beside it.

import {resultBlob, resultBuffer, resultJson} from "./api.js";
import {classesOf} from "./classes.js";
import {element} from "./dom.js";
import {downloadsCard} from "./downloads.js";
import {severityCard, verdictCard, volumesCard, warningsCard} from "./findings.js";
import {referenceCard} from "./reference.js";
import {show} from "./viewer.js";

export async function showCt(host, found) {
  const {job, has, signal} = found;
  const json = (name) => (has(name) ? resultJson(job.id, name, {signal}) : null);
  const [trust, severity, statistics] = await Promise.all(["trust.json", "severity.json", "statistics.json"].map(json));
  const place = element("div", {class: "place"}, element("p", {class: "big", text: "Loading the CT …"}));
  host.classList.add("beside");
  host.append(verdictCard(trust), place, element("div", {class: "numbers"},
    severity ? severityCard(severity) : volumesCard(statistics ?? {}),
    warningsCard(job.warnings) ?? "", downloadsCard(found), referenceCard(job)));

  const [classes, image, overlay] = await Promise.all([
    classesOf(job, signal),
    ...["image.nii.gz", "mask.nii.gz"].map((name) => resultBuffer(job.id, name, {signal}))]);
  const focus = classes.find(({key}) => key === "infection") ?? classes.at(-1);
  await show(place, {
    panes: [{title: "", image, overlay}], classes, focus: focus.value, signal,
    fallback: () => preview(job, has, signal),
  });
}

async function preview(job, has, signal) {
  if (!has("preview.png")) return "";
  const url = URL.createObjectURL(await resultBlob(job.id, "preview.png", {signal}));
  signal.addEventListener("abort", () => URL.revokeObjectURL(url));
  return element("img", {src: url, alt: "Slices of the CT with the mask"});
}
