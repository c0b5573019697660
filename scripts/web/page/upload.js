// The upload: files or folders that are dropped or chosen, and what to segment them with.

import {send} from "./api.js";
import {announce, button, element, problem, section} from "./dom.js";
import {percent, size} from "./words.js";

// Each of these is a study of its own; all other files together are the slices of one DICOM series.
const WHOLE = /\.(nii|nii\.gz|nrrd|mha|zip|png|jpe?g)$/i;
const KINDS = {ct: "CT", picture: "Pictures"};

// `onSent` is called after each upload; `mostBytes`: what the server takes at a time.
export function uploadForm({models, mostBytes, onSent, signal}) {
  const model = element("select", {id: "model"},
    element("option", {value: "", text: "Automatic: the standard model for CT or pictures"}),
    models.map(({name, kind}) => element("option", {value: name, text: `${KINDS[kind] ?? kind}: ${name}`})));
  const files = element("input", {type: "file", id: "files", multiple: true, class: "unseen"});
  const folder = element("input", {type: "file", id: "folder", webkitdirectory: true, class: "unseen"});
  const status = element("div", {class: "uploads"});

  const take = async (all) => {
    for (const group of studies(all)) {
      if (signal.aborted) return;
      await upload(group, {model: model.value, mostBytes, status});
      await onSent();
    }
  };
  for (const input of [files, folder]) {
    input.addEventListener("change", () => {
      const chosen = [...input.files];
      input.value = ""; // the same file may be chosen again
      take(chosen);
    });
  }
  const zone = element("div", {class: "drop"},
    element("p", {class: "big", text: "Drop a CT or a picture here"}),
    element("p", {class: "buttons"},
      element("label", {class: "button main"}, "Choose files", files),
      element("label", {class: "button"}, "Choose a DICOM folder", folder)),
    element("p", {class: "quiet", text: "NIfTI, NRRD, MHA, DICOM (files, folder or zip), PNG, JPEG"}));
  acceptDrops(zone, take, signal);
  return section("New study", {class: "card upload"}, zone,
    element("p", {}, element("label", {for: "model", text: "Model"}), model), status);
}

function acceptDrops(zone, take, signal) {
  const isOfFiles = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragover", (event) => {
    if (!isOfFiles(event)) return;
    event.preventDefault();
    zone.classList.add("over");
  }, {signal});
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) zone.classList.remove("over");
  }, {signal});
  window.addEventListener("drop", async (event) => {
    if (!isOfFiles(event)) return;
    event.preventDefault();
    zone.classList.remove("over");
    take(await droppedFiles(event.dataTransfer));
  }, {signal});
}

async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return [...transfer.files];
  return (await Promise.all(entries.map(filesOf))).flat();
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const inside = [];
  for (;;) { // it hands out some at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    inside.push(...some);
  }
  return (await Promise.all(inside.map(filesOf))).flat();
}

function studies(files) {
  const seen = files.filter(({name}) => !name.startsWith(".")); // what a file manager leaves in folders
  const whole = seen.filter(({name}) => WHOLE.test(name)).map((file) => [file]);
  const slices = seen.filter(({name}) => !WHOLE.test(name));
  return slices.length ? [...whole, slices] : whole;
}

async function upload(files, {model, mostBytes, status}) {
  const name = files.length === 1 ? files[0].name : `${files.length} files`;
  const bar = element("progress", {max: 1, value: 0, "aria-label": `Upload of ${name}`});
  const share = element("span", {class: "number", text: "0 %"});
  const row = element("div", {class: "uploading"}, element("span", {class: "name", text: name}), bar, share);
  status.append(row);
  announce(`Uploading ${name}`);
  try {
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    if (bytes > mostBytes) throw new Error(`It has ${size(bytes)}; this server takes ${size(mostBytes)} at most.`);
    await send("jobs", files, model ? {model} : {}, (sent) => {
      bar.value = sent;
      share.textContent = sent < 1 ? percent(sent) : "Reading"; // by the server, before it answers
    });
    row.remove();
    announce(`${name} is uploaded`);
  } catch (error) {
    const failed = element("div", {class: "uploading"}, element("span", {class: "name", text: name}),
      problem(error.message), button("Dismiss", () => failed.remove()));
    row.replaceWith(failed);
  }
}
