// What came of a picture: the picture, and the picture under its mask.

import {resultBlob, resultJson} from "./api.js";
import {classesOf} from "./classes.js";
import {element} from "./dom.js";
import {downloadsCard} from "./downloads.js";
import {verdictCard, warningsCard} from "./findings.js";
import {OPACITY, overlayControls} from "./overlay.js";
import {referenceCard} from "./reference.js";

export async function showPicture(host, found) {
  const {job, has, signal} = found;
  const trust = has("trust.json") ? await resultJson(job.id, "trust.json", {signal}) : null;
  const [classes, image, mask] = await Promise.all([
    classesOf(job, signal), ...["image.png", "mask.png"].map((name) => bitmap(job, name, signal))]);
  host.classList.add("beside");
  host.append(verdictCard(trust), element("div", {class: "place"}, pictureView(image, mask, classes)),
    element("div", {class: "numbers"}, warningsCard(job.warnings) ?? "", downloadsCard(found), referenceCard(job)));
}

async function bitmap(job, name, signal) {
  return createImageBitmap(await resultBlob(job.id, name, {signal}), {colorSpaceConversion: "none"});
}

function pictureView(image, mask, classes) {
  const plain = element("canvas", {role: "img", "aria-label": "The picture"});
  const painted = element("canvas", {role: "img", "aria-label": "The picture with the predicted mask"});
  const values = classNumbers(mask, classes);
  let [hidden, opacity] = [new Set(), OPACITY];
  const draw = () => {
    drawImage(plain, image);
    drawImage(painted, image);
    const context = painted.getContext("2d");
    const pixels = context.getImageData(0, 0, painted.width, painted.height);
    values.forEach((value, place) => {
      if (value === 0 || hidden.has(value)) return;
      const {colour} = classes[value - 1];
      for (let channel = 0; channel < 3; channel += 1) {
        const at = 4 * place + channel;
        pixels.data[at] = (1 - opacity) * pixels.data[at] + opacity * colour[channel];
      }
    });
    context.putImageData(pixels, 0, 0);
  };
  draw();
  return element("div", {class: "viewer"},
    element("div", {class: "panes of-2 pictures"},
      element("figure", {}, element("figcaption", {text: "Image"}), plain),
      element("figure", {}, element("figcaption", {text: "Prediction"}), painted)),
    overlayControls(classes, {
      onHidden: (values) => {
        hidden = values;
        draw();
      },
      onOpacity: (share) => {
        opacity = share;
        draw();
      },
    }));
}

function drawImage(canvas, image) {
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d", {willReadFrequently: true}).drawImage(image, 0, 0);
}

// The class of each pixel. A mask of one class is white; of several, it has their colours.
function classNumbers(mask, classes) {
  const canvas = element("canvas", {});
  drawImage(canvas, mask);
  const {data} = canvas.getContext("2d").getImageData(0, 0, mask.width, mask.height);
  const values = new Map(classes.map(({value, colour}) => [colour.join(), value]));
  if (classes.length === 1) values.set("255,255,255", 1);
  return Uint8Array.from({length: mask.width * mask.height}, (_, place) =>
    values.get(data.slice(4 * place, 4 * place + 3).join()) ?? 0);
}
