// What changed between two CTs of a patient: both beside each other, and the numbers.

import {resultBuffer, resultJson} from "./api.js";
import {CHANGES} from "./classes.js";
import {element, section, table} from "./dom.js";
import {downloadsCard} from "./downloads.js";
import {warningsCard} from "./findings.js";
import {viewer} from "./viewer.js";
import {NOTHING, className, decimals, millilitres, signed} from "./words.js";

export async function showFollowUp(host, found) {
  const {job, has, signal} = found;
  const content = await resultJson(job.id, "change.json", {signal});
  const place = element("div", {class: "place"}, element("p", {class: "big", text: "Loading the CTs …"}));
  host.classList.add("above");
  host.append(headlineCard(content), place,
    element("div", {class: "numbers"}, changeCard(content), warningsCard(job.warnings), downloadsCard(found)));

  const [baseline, followUp] = job.parents;
  const moved = has("baseline.nii.gz");
  const get = (own, parent) => (has(own) ? [job.id, own] : [parent, "image.nii.gz"]);
  const wanted = [get("baseline.nii.gz", baseline), get("follow-up.nii.gz", followUp), [job.id, "change.nii.gz"]];
  const [earlier, later, change] = await Promise.all(wanted.map(([id, name]) => resultBuffer(id, name, {signal})));
  const made = await viewer({
    panes: [
      {title: moved ? "Earlier, moved onto the later" : "Earlier", image: earlier, overlay: moved ? change : null},
      {title: "Later", image: later, overlay: change},
    ],
    classes: CHANGES, focus: null, signal,
  });
  place.replaceChildren(made);
  await made.ready?.();
}

function headlineCard({regions, label_map: map}) {
  const lungs = regions.find(({region}) => region === "lungs");
  const noise = {true: "more than the noise of the method", false: "within the noise of the method"}[lungs.beyond_noise];
  return section("Change of the infection", {class: "card change"},
    element("p", {class: "headline"},
      element("strong", {text: `${decimals(lungs.infected_percent_baseline, 1)} %`}), " → ",
      element("strong", {text: `${decimals(lungs.infected_percent_follow_up, 1)} %`}),
      ` of the lungs (${signed(lungs.change_ml, 0)} ml, ${noise ?? "noise not known"})`),
    element("p", {text: `New ${millilitres(map.new_ml)} ml, resolved ${millilitres(map.resolved_ml)} ml, ` +
      `unchanged ${millilitres(map.unchanged_ml)} ml.`}));
}

const regionName = (region) => {
  const [, side, third] = /^lung_(left|right)(?:_(\w+))?$/.exec(region) ?? [];
  if (!side) return className(region);
  return third ? `${className(`lung_${side}`)}, ${third} third` : className(`lung_${side}`);
};

function changeCard({regions, registration}) {
  const beyond = {true: "yes", false: "no"};
  return section("By region", {class: "card"},
    table("Infection at both dates by region",
      ["Region", "Earlier, ml", "Later, ml", "Change, ml", "Earlier, %", "Later, %", "Beyond noise"],
      regions.map((row) => [
        regionName(row.region), millilitres(row.infection_baseline_ml), millilitres(row.infection_follow_up_ml),
        signed(row.change_ml, 0), decimals(row.infected_percent_baseline, 1),
        decimals(row.infected_percent_follow_up, 1), beyond[row.beyond_noise] ?? NOTHING,
      ]), {hideCaption: true}),
    registration && element("p", {class: "quiet",
      text: `The lungs of both dates were registered: Dice ${decimals(registration.lungs_dice, 3)}.`}));
}
