// What changed between two CTs of a patient: both beside each other, and the numbers.

import {resultBuffer, resultJson} from "./api.js";
import {classesOf} from "./classes.js";
import {element, section, table} from "./dom.js";
import {downloadsCard} from "./downloads.js";
import {warningsCard} from "./findings.js";
import {show} from "./viewer.js";
import {NOTHING, className, decimals, millilitres, signed} from "./words.js";

export async function showFollowUp(host, found) {
  const {job, signal} = found;
  const content = await resultJson(job.id, "change.json", {signal});
  const place = element("div", {class: "place"}, element("p", {class: "big", text: "Loading the CTs …"}));
  host.classList.add("above");
  host.append(headlineCard(content), place, element("div", {class: "numbers"},
    changeCard(content), warningsCard(job.warnings) ?? "", downloadsCard(found)));

  const [classes, earlier, later, change] = await Promise.all([
    classesOf(job, signal),
    ...["baseline.nii.gz", "follow-up.nii.gz", "change.nii.gz"].map((name) =>
      resultBuffer(job.id, name, {signal}))]);
  const panes = [
    {title: "Earlier, moved onto the later", image: earlier, overlay: change},
    {title: "Later", image: later, overlay: change},
  ];
  await show(place, {panes, classes, signal});
}

function headlineCard({regions, label_map: map}) {
  const lungs = regions.find(({region}) => region === "lungs");
  const noise = {true: "beyond the noise of the method", false: "within the noise of the method"}[lungs.beyond_noise];
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
