"""The building blocks of a report: one HTML page that loads nothing, reads on narrow and wide screens, and prints."""

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.film_strip import WEBP_LIMIT_PX

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; color: #1b1f24;
  background: #fff; max-width: 92rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-bottom: .25rem; border-bottom: 2px solid #0072b2; }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .4rem; }
a { color: #00588a; }
:focus-visible { outline: 3px solid #e69f00; outline-offset: 2px; }
p, li, dd { max-width: 48rem; overflow-wrap: break-word; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none; margin: 0 0 1rem; padding: .5rem .8rem;
  background: #f3f6f9; }
.scroll { overflow-x: auto; margin-bottom: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
.caption, figcaption { color: #4a5460; margin: .8rem 0 .3rem; max-width: 48rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #d7dce1; text-align: right; white-space: nowrap; }
th { background: #f3f6f9; }
thead th { white-space: normal; vertical-align: bottom; }
tbody th { position: sticky; left: 0; }
th:first-child, .text th, .text td { text-align: left; }
.text td { white-space: normal; overflow-wrap: anywhere; }
.note, .warning { padding: .5rem .8rem; max-width: 48rem; overflow-wrap: anywhere; }
.note { background: #f3f6f9; border-left: 4px solid #0072b2; }
.warning { background: #fdf3e7; border-left: 4px solid #d55e00; }
summary { cursor: pointer; }
figure { margin: 1.2rem 0; }
img { max-width: 100%; height: auto; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 36rem), 1fr)); gap: .5rem 1.2rem; }
.grid figure { margin: .4rem 0; }
pre { background: #f3f6f9; padding: .8rem; overflow-x: auto; font-size: .85rem; }
dt { font-weight: 600; margin-top: .5rem; }
dd { margin-left: 1rem; }
@media screen and (max-width: 40rem) {
  body { padding: .7rem; } table { font-size: .8rem; } th, td { padding: .3rem .45rem; }
  figure { overflow-x: auto; } figure img { max-width: none; width: 40rem; }
  figcaption { position: sticky; left: 0; max-width: 90vw; }
}
@media print {
  body { font-size: 10pt; max-width: none; padding: 0; }
  nav { display: none; }
  table { font-size: 7.5pt; } th, td { padding: 1pt 3pt; white-space: normal; }
  tbody th { position: static; }
  .scroll, pre { overflow: visible; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  figure img { max-height: 21cm; width: auto; }
  figure, tr { break-inside: avoid; } h2, h3, .caption { break-after: avoid; }
}
"""

PICTURES = ((b"\x89PNG", "image/png"), (b"RIFF", "image/webp"))
"""The formats that a figure may have: the first bytes, the media type."""

LARGE_BYTES = 300_000
WEBP_QUALITY = 85


def page(title: str, head: str, sections: Mapping[str, Sequence[str]], *, style: str = "") -> str:
    """A whole page: the title, `head`, a table of contents, then the sections.

    `title` and the headings are text and are escaped; `head` and the parts of the sections are HTML, as the other
    functions here give it. `style`: CSS after `STYLE`.
    """
    links = "".join(f'<li><a href="#{anchor(heading)}">{escape(heading)}</a></li>' for heading in sections)
    body = [
        f"<h1>{escape(title)}</h1>",
        head,
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>' if links else "",
        *(section(heading, *parts) for heading, parts in sections.items()),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, body))
        + "\n</body>\n</html>\n"
    )


def anchor(heading: str) -> str:
    """The id of a heading: "Scores per case" -> "scores-per-case"."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") or "section"


def section(heading: str, *parts: str) -> str:
    """A heading, which a link can name, and below it the parts (HTML) that are not empty, or "None."."""
    content = "\n".join(filter(None, parts)) or "<p>None.</p>"
    return f'<section>\n<h2 id="{anchor(heading)}">{escape(heading)}</h2>\n{content}\n</section>'


def table(caption: str, header: Sequence[object], rows: Sequence[Sequence[object]], *, kind: str = "") -> str:
    """A table that scrolls sideways where it does not fit; the first cell of each row is its header.

    `kind`: "text" where the cells are words, which may break over lines.
    """
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in header)
    lines = []
    for row in rows:
        first, *rest = (escape(str(cell)) for cell in row)
        lines.append(f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>")
    return (
        f'<p class="caption">{escape(caption)}</p>\n'  # outside the table: there it would scroll away with it
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0"><table class="{kind}">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody></table></div>"
    )


def facts(content: Mapping, caption: str) -> str:
    """A table of names and values; of a mapping within the mapping each entry has a row ("outer · inner")."""
    return table(caption, ["item", "value"], list(_flat(content)), kind="text") if content else ""


def figure(caption: str, picture: bytes) -> str:
    """A picture (the bytes of a PNG or WebP file) with its caption, which also stands in its place.

    Raises InputError for bytes of another format.
    """
    return (
        f'<figure><img src="{data_uri(picture, caption)}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def read_picture(path: str | Path) -> bytes:
    """The bytes of a PNG or WebP file; a large PNG becomes a WebP, a tenth of its size, where one may be that long.

    Raises InputError where there is none or it is another format.
    """
    content = _checked(path)
    return _as_webp(content) if len(content) > LARGE_BYTES and content.startswith(PICTURES[0][0]) else content


def read_thumbnail(path: str | Path, width_px: int) -> bytes:
    """The picture of a PNG or WebP file, at most `width_px` wide, as the bytes of a WebP file.

    Raises InputError as `read_picture`.
    """
    return _as_webp(_checked(path), width_px)


def _checked(path: str | Path) -> bytes:
    if not Path(path).is_file():
        raise InputError(f"{path}: no such picture for the report")
    content = Path(path).read_bytes()
    data_uri(content[:4], str(path))
    return content


def _as_webp(content: bytes, width_px: int | None = None) -> bytes:
    """The picture at most `width_px` wide; as it is where a WebP may not be that long."""
    with Image.open(io.BytesIO(content)) as opened:
        picture = opened.convert("RGB")
    if width_px is not None and picture.width > width_px:
        picture = picture.resize((width_px, max(1, round(picture.height * width_px / picture.width))))
    if max(picture.size) > WEBP_LIMIT_PX:
        return content
    made = io.BytesIO()
    picture.save(made, "WEBP", quality=WEBP_QUALITY)
    return made.getvalue()


def data_uri(picture: bytes, name: str) -> str:
    """A picture as text that stands in the page. `name`: what the error calls it."""
    for start, media_type in PICTURES:
        if picture.startswith(start):
            return f"data:{media_type};base64,{base64.b64encode(picture).decode()}"
    raise InputError(f"{name}: pictures of the report are PNG files or WebP files, found another format")


def details(label: str, content: str) -> str:
    """HTML that is folded away until the reader opens it."""
    return f"<details><summary>{escape(label)}</summary>{content}</details>"


def links(targets: Mapping[str, str]) -> str:
    """A list of links: where each leads, as a path from the page, by its text."""
    items = "".join(f'<li><a href="{escape(quote(path))}">{escape(text)}</a></li>' for text, path in targets.items())
    return f"<ul>{items}</ul>" if items else ""


def subheading(text: str) -> str:
    """A heading within a section."""
    return f"<h3>{escape(text)}</h3>"


def paragraph(text: str) -> str:
    """A paragraph; nothing where `text` is empty."""
    return f"<p>{escape(text)}</p>" if text else ""


def note(text: str) -> str:
    """A remark set off from the rest; nothing where `text` is empty."""
    return f'<p class="note">{escape(text)}</p>' if text else ""


def warning(text: str) -> str:
    """A warning set off from the rest."""
    return f'<p class="warning">{escape(text)}</p>'


def definitions(entries: Sequence[tuple[str, str]]) -> str:
    """A list of terms and what they mean."""
    return "<dl>" + "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in entries) + "</dl>"


def preformatted(text: str) -> str:
    """Text with its line breaks, such as a file of settings."""
    return f"<pre>{escape(text)}</pre>" if text else "<p>None recorded.</p>"


def _flat(content: Mapping, prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key} · ")
        else:
            yield f"{prefix}{key}", _readable(value)


def _readable(value: object) -> object:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(str(_readable(item)) for item in value) if isinstance(value, (list, tuple)) else value
