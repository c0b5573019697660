// Names, numbers and times as people read them.

const CLASSES = {
  lung_left: "Left lung", lung_right: "Right lung", lungs: "Both lungs", infection: "Infection",
  ground_glass: "Ground glass", consolidation: "Consolidation",
};
const KINDS = {segmentation: "Segmentation", scores: "Scores", "follow-up": "Follow-up"};
const STATES = {
  queued: "Waiting", running: "Running", finished: "Finished", failed: "Failed", cancelled: "Cancelled",
};

export const NOTHING = "–";

export function className(name) {
  if (name in CLASSES) return CLASSES[name];
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const kindName = (kind) => KINDS[kind] ?? kind;

export const stateName = (state) => STATES[state] ?? state;

// A number with that many decimals, with the sign of a minus; a dash where there is none.
export function decimals(value, places) {
  if (typeof value !== "number" || !Number.isFinite(value)) return NOTHING;
  const text = value.toFixed(places);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
}

export function signed(value, places) {
  const text = decimals(value, places);
  return text !== NOTHING && Number(value.toFixed(places)) > 0 ? `+${text}` : text;
}

// Millilitres: whole ones, with a decimal where there are few.
export const millilitres = (value) => decimals(value, Math.abs(value) < 10 ? 1 : 0);

export function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function moment(iso) {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? "" : time.toLocaleString([], {dateStyle: "medium", timeStyle: "short"});
}

export const percent = (share) => `${Math.round(100 * share)} %`;
