"""Thumbnails of cases that open their slices in the page: by slider, arrow keys or mouse wheel.

Each case is one picture, its film strip, embedded once: the thumbnail shows one frame of it by CSS (so it needs no
script and prints), and the viewer draws the frame in turn from the thumbnail's own picture.
"""

import json
from collections.abc import Sequence
from html import escape

from PIL import Image, UnidentifiedImageError

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.film_strip import FilmStrip
from pneumoseg.evaluation.report.html import data_uri, read_picture

STYLE = """
.films { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: .8rem;
  margin: .6rem 0 1rem; padding: 0; list-style: none; }
.films button { display: block; width: 100%; padding: .35rem; border: 1px solid #b9c2cb; border-radius: .3rem;
  background: #fff; color: inherit; font: inherit; font-size: .88rem; line-height: 1.35; text-align: left;
  cursor: zoom-in; overflow-wrap: anywhere; }
.films button:hover { border-color: #0072b2; background: #f3f6f9; }
.films img { display: block; width: 100%; object-fit: cover; margin-bottom: .3rem; background: #000; }
#slice-viewer { width: min(96vw, 84rem); max-width: none; max-height: 98vh; padding: .7rem; border: 1px solid #4a5460;
  border-radius: .4rem; color: #1b1f24; background: #fff; }
#slice-viewer::backdrop { background: rgb(0 0 0 / .7); }
#slice-viewer header { display: flex; justify-content: space-between; align-items: start; gap: 1rem; }
#slice-viewer h2 { font-size: 1rem; margin: 0 0 .4rem; padding: 0; border: 0; overflow-wrap: anywhere; }
#slice-viewer canvas { display: block; width: 100%; max-height: 76vh; object-fit: contain; background: #000; }
#slice-viewer input { width: 100%; height: 2rem; margin: .3rem 0 0; accent-color: #0072b2; }
#slice-viewer output { font-variant-numeric: tabular-nums; }
#slice-viewer p { margin: 0; font-size: .88rem; max-width: none; }
#slice-viewer header button { flex: none; min-height: 2.2rem; padding: .2rem .8rem; border: 1px solid #4a5460;
  border-radius: .3rem; background: #f3f6f9; color: inherit; font: inherit; cursor: pointer; }
@media screen and (max-width: 40rem) {
  #slice-viewer { width: 100vw; padding: .4rem; }
}
@media print {
  #slice-viewer { display: none; }
  .films { grid-template-columns: repeat(3, 1fr); }
  .films li { break-inside: avoid; } .films button { border: 0; padding: 0; }
}
"""

SCRIPT = """
(() => {
  "use strict";
  const dialog = document.getElementById("slice-viewer");
  const [heading, close, canvas, slider, number] =
    ["h2", "button", "canvas", "input", "output"].map((name) => dialog.querySelector(name));
  let strip = null;  // {picture, slices, total}
  let turned = 0;  // how far the wheel has turned since the last step, in pixels

  const draw = () => {
    const frame = Number(slider.value);
    const height = Math.floor(strip.picture.naturalHeight / strip.slices.length);
    const width = strip.picture.naturalWidth;
    if (!width) return;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    canvas.getContext("2d").drawImage(strip.picture, 0, frame * height, width, height, 0, 0, width, height);
    const text = `slice ${strip.slices[frame] + 1} of ${strip.total}`;
    number.textContent = text;
    slider.setAttribute("aria-valuetext", text);
    canvas.setAttribute("aria-label", `${heading.textContent}, ${text}`);
  };
  const show = (frame) => {
    slider.value = String(Math.max(0, Math.min(strip.slices.length - 1, frame)));
    draw();
  };
  const open = (button) => {
    const picture = button.querySelector("img");
    const {slices, total, first, heading: text} = JSON.parse(button.dataset.film);
    strip = {picture, slices, total};
    heading.textContent = text;
    slider.max = String(slices.length - 1);
    turned = 0;
    button.focus();  // not every browser focuses what is clicked; closing gives the focus back to it
    dialog.showModal();
    slider.focus();
    show(first);
    picture.decode().then(() => { if (strip.picture === picture && dialog.open) draw(); }, () => {});
  };

  document.querySelectorAll("[data-film]").forEach((button) => button.addEventListener("click", () => open(button)));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("pointerdown", (event) => {  // beside the dialog
    const {left, right, top, bottom} = dialog.getBoundingClientRect();
    const inside = event.clientX >= left && event.clientX <= right && event.clientY >= top && event.clientY <= bottom;
    if (event.target === dialog && !inside) dialog.close();
  });
  slider.addEventListener("input", draw);
  dialog.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const now = Number(slider.value);
    const frame = {
      ArrowUp: now + 1, ArrowRight: now + 1, ArrowDown: now - 1, ArrowLeft: now - 1,
      PageUp: now + 5, PageDown: now - 5, Home: 0, End: strip.slices.length - 1,
    }[event.key];
    if (frame === undefined) return;
    event.preventDefault();
    show(frame);
  });
  dialog.addEventListener("wheel", (event) => {
    if (event.ctrlKey) return;  // the browser's zoom
    event.preventDefault();
    turned += event.deltaY * (event.deltaMode === 1 ? 20 : 1);
    const steps = Math.trunc(turned / 40);  // a notch of a wheel is one or more; a touchpad sends many small turns
    turned -= 40 * steps;
    if (steps) show(Number(slider.value) - Math.sign(steps));  // the wheel away from oneself: up, towards the head
  }, {passive: false});
})();
"""

DIALOG = f"""<dialog id="slice-viewer" aria-labelledby="slice-viewer-heading">
<header><h2 id="slice-viewer-heading"></h2><button type="button">Close</button></header>
<canvas width="2" height="1" role="img" aria-label="no slice"></canvas>
<input type="range" min="0" max="0" step="1" value="0" aria-label="Slice">
<p><output></output> · slider, arrow keys or mouse wheel; up is towards the head</p>
</dialog>
<script>{SCRIPT}</script>"""
"""The viewer of a page: once, after the thumbnails; the page needs `STYLE` too."""


def thumbnails(cases: Sequence[FilmStrip]) -> str:
    """A list of buttons, each with one frame of a case and its caption; each strip is embedded here, once.

    Raises InputError where a strip is missing or no picture, is not made of `len(slices)` equally high frames, or
    where `first` or a slice lies outside.
    """
    return '<ul class="films">\n' + "\n".join(map(_thumbnail, cases)) + "\n</ul>" if cases else ""


def _thumbnail(strip: FilmStrip) -> str:
    content = read_picture(strip.path)
    width, height = _frame_size(strip)
    frames = len(strip.slices)
    place = 100 * strip.first / (frames - 1) if frames > 1 else 0
    caption = strip.caption or strip.case
    film = {"slices": strip.slices, "total": strip.total_slices, "first": strip.first, "heading": caption}
    alt = f"{strip.case}, slice {strip.slices[strip.first] + 1} of {strip.total_slices}"
    return (
        f'<li><button type="button" aria-haspopup="dialog" data-film="{escape(json.dumps(film))}">'
        f'<img src="{data_uri(content, str(strip.path))}" alt="{escape(alt)}" '
        f'style="aspect-ratio:{width}/{height};object-position:0 {place:.6g}%">'
        f"{escape(caption)}</button></li>"
    )


def _frame_size(strip: FilmStrip) -> tuple[int, int]:
    """Width and height of a frame in pixels."""
    try:
        with Image.open(strip.path) as picture:
            width, height = picture.size
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{strip.path}: the film strip of {strip.case} is not readable as a picture") from error
    frames = len(strip.slices)
    if not frames or height % frames:
        raise InputError(f"{strip.path}: {frames} equally high frames must be stacked, found a height of {height} px")
    if not 0 <= strip.first < frames:
        raise InputError(f"{strip.path}: the first frame must be one of 0 to {frames - 1}, found {strip.first}")
    if not all(0 <= index < strip.total_slices for index in strip.slices):
        raise InputError(f"{strip.path}: slices must lie in 0 to {strip.total_slices - 1}, found {strip.slices}")
    return width, height // frames
