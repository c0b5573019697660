// What was found in a CT: the verdict on the mask, the severity, the volumes.

import {element, section, table} from "./dom.js";
import {NOTHING, className, decimals, millilitres} from "./words.js";

const VERDICTS = {
  use: {word: "Use", mark: "✓", sentence: "Nothing speaks against this mask."},
  review: {word: "Review", mark: "!", sentence: "Look at this mask before you use its numbers."},
  "do not trust": {word: "Do not trust", mark: "✕", sentence: "The mask and its numbers are likely wrong."},
};

export function verdictCard(trust) {
  const verdict = VERDICTS[trust?.verdict];
  const reasons = element("ul", {}, (trust?.reasons ?? []).map((text) => element("li", {text})));
  if (!verdict) {
    return section("Can the mask be trusted?", {class: "card verdict", "data-verdict": "none"},
      element("p", {class: "word", text: "No verdict"}), reasons);
  }
  const dice = Object.entries(trust.classes ?? {}).filter(([, one]) => one !== null);
  return section("Can the mask be trusted?", {class: "card verdict", "data-verdict": trust.verdict},
    element("p", {class: "word"},
      element("span", {class: "mark", "aria-hidden": "true", text: verdict.mark}), verdict.word),
    element("p", {text: verdict.sentence}), reasons,
    dice.length > 0 && element("details", {}, element("summary", {text: "Predicted Dice"}),
      table("Predicted Dice of each class", ["Class", "Dice", "Interval"], dice.map(([name, one]) =>
        [className(name), decimals(one.predicted_dice, 2), `${decimals(one.low, 2)} to ${decimals(one.high, 2)}`]),
      {hideCaption: true})));
}

const SIDES = ["right", "left"]; // as in the picture

export function severityCard(content) {
  const row = content.severity;
  const sides = (start, end) => SIDES.map((side) => row[`${start}_${side}${end}`]);
  const ml = (start, both) => [...sides(start, "_ml"), row[both]].map(millilitres);
  const share = (start) => [...sides(start, ""), row[start]].map((value) => decimals(value, 1));
  const rows = [
    ["Lung, ml", ...ml("lung", "lungs_ml")],
    ["Infection, ml", ...ml("infection", "infection_ml")],
    ["Infection, %", ...share("infected_percent")],
    ["Ground glass, ml", ...ml("ground_glass", "ground_glass_ml")],
    ["Ground glass, %", ...share("ground_glass_percent")],
    ["Consolidation, ml", ...ml("consolidation", "consolidation_ml")],
    ["Consolidation, %", ...share("consolidation_percent")],
  ];
  const percent = row.infected_percent;
  return section("Severity", {class: "card severity"},
    element("p", {class: "headline"},
      element("strong", {text: typeof percent === "number" ? `${decimals(percent, 1)} %` : NOTHING}),
      " of the lungs infected", row.category ? ": " : "", row.category && element("strong", {text: row.category})),
    table("Volumes and shares of each lung", ["", "Right", "Left", "Both"], rows, {hideCaption: true}),
    element("p", {class: "quiet", text: "% of the lung, infection included."}),
    row.remarks && element("p", {text: row.remarks}),
    furtherScores(row, content.definitions ?? {}));
}

const FURTHER = {
  category: ["Category", (value) => value],
  infection_mean_hu: ["Mean density of the infection", (value) => `${decimals(value, 0)} HU`],
  high_opacity_percent: ["High opacity, share of the infection", (value) => `${decimals(value, 1)} %`],
  ctsi_percent_over_4: ["Percent / 4, of 25", (value) => decimals(value, 1)],
  ctsi_thirds: ["Score by thirds, of 25", (value) => decimals(value, 1)],
  ctsi: ["CT severity index, of 25", (value) => decimals(value, 0)],
  ground_glass_ml: ["Ground glass", (value) => `${millilitres(value)} ml`],
  consolidation_ml: ["Consolidation", (value) => `${millilitres(value)} ml`],
};

function furtherScores(row, definitions) {
  const known = Object.entries(FURTHER).filter(([key]) => row[key] !== null && row[key] !== undefined);
  return element("details", {}, element("summary", {text: "Further scores and definitions"}),
    element("dl", {}, known.map(([key, [name, text]]) => [
      element("dt", {}, name, ": ", element("strong", {text: text(row[key])})),
      element("dd", {class: "quiet", text: definitions[key] ?? ""}),
    ]).flat()));
}

// Of a model of other organs, which has no severity.
export function volumesCard(facts) {
  const names = Object.keys(facts).filter((key) => key.endsWith("_ml")).map((key) => key.slice(0, -3));
  return section("Volumes", {class: "card"},
    table("Volume and mean density of each class", ["Class", "ml", "Mean HU"], names.map((name) =>
      [className(name), millilitres(facts[`${name}_ml`]), decimals(facts[`${name}_mean_hu`], 0)]),
    {hideCaption: true}));
}

export function warningsCard(warnings) {
  if (!warnings?.length) return null;
  return section("Warnings", {class: "card warnings"},
    element("ul", {}, warnings.map((text) => element("li", {text}))));
}
