// How a mask agrees with a reference: the scores, and where the errors lie.

import {job as getJob, resultBlob, resultBuffer, resultJson} from "./api.js";
import {classesOf} from "./classes.js";
import {element, section, table} from "./dom.js";
import {downloadsCard} from "./downloads.js";
import {warningsCard} from "./findings.js";
import {show} from "./viewer.js";
import {className, decimals, millilitres} from "./words.js";

const STATUS = {
  reference_empty: "not in the reference", prediction_empty: "not in the mask", both_empty: "in neither",
  not_labelled: "not labelled in the reference",
};

export async function showScores(host, found) {
  const {job, has, signal} = found;
  const {scores} = await resultJson(job.id, "scores.json", {signal});
  const [parent] = job.parents;
  const place = element("div", {class: "place"}, element("p", {class: "big", text: "Loading …"}));
  host.classList.add("above");
  host.append(scoresCard(scores, parent), place,
    element("div", {class: "numbers"}, warningsCard(job.warnings) ?? "", downloadsCard(found)));
  if (has("errors.nii.gz")) await showErrors(place, job, signal);
  else await showPictures(place, job, signal);
}

function scoresCard(rows, parent) {
  const shown = rows.filter((row) => row.class !== "background");
  const inMm = (row, key) => decimals(row[key], 1);
  return section("Scores against the reference", {class: "card scores"},
    table("Scores of each class",
      ["Class", "Dice", "NSD", "HD95, mm", "Sensitivity", "Precision", "Mask, ml", "Reference, ml"],
      shown.map((row) => [
        className(row.class), decimals(row.dice, 3), decimals(row.nsd, 3), inMm(row, "hd95_mm"),
        decimals(row.sensitivity, 3), decimals(row.precision, 3),
        millilitres(row.volume_prediction_ml), millilitres(row.volume_reference_ml),
      ]), {hideCaption: true}),
    element("ul", {class: "quiet"}, shown.filter(({status}) => status in STATUS).map((row) =>
      element("li", {text: `${className(row.class)}: ${STATUS[row.status]}`}))),
    element("p", {}, element("a", {href: `#/jobs/${encodeURIComponent(parent)}`, text: "To the study"})));
}

async function showErrors(place, job, signal) {
  const [parent] = job.parents;
  try {
    await getJob(parent, {signal});
  } catch (error) {
    if (error.status !== 404) throw error;
    place.replaceChildren(element("p", {class: "card", text: "The study was deleted; the errors can be downloaded."}));
    return;
  }
  const [classes, image, overlay] = await Promise.all([
    classesOf(job, signal), resultBuffer(parent, "image.nii.gz", {signal}),
    resultBuffer(job.id, "errors.nii.gz", {signal})]);
  await show(place, {panes: [{title: "", image, overlay}], classes, opacity: 0.9, signal});
}

async function showPictures(place, job, signal) {
  const url = URL.createObjectURL(await resultBlob(job.id, "side-by-side.png", {signal}));
  signal.addEventListener("abort", () => URL.revokeObjectURL(url));
  place.replaceChildren(element("figure", {class: "card"},
    element("figcaption", {text: "Image, reference, prediction"}),
    element("img", {class: "whole", src: url, alt: "The image, the reference mask and the predicted mask"})));
}
