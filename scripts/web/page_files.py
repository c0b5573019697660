"""The files of the page, as they were when the server started."""

import hashlib
import mimetypes
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

START = "index.html"
SHOWN_AS = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
"""Media types without which browsers refuse a file, whatever the system's table says."""


def page_router(folder: Path) -> APIRouter:
    """Routes for each file below the folder, by its relative path, and `/` for index.html; hidden files and links are
    left out. Nothing else can be asked for."""
    routes = APIRouter(include_in_schema=False)
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not path.is_symlink() and not any(part.startswith((".", "__")) for part in parts):
            address = "/" if parts == (START,) else "/" + "/".join(parts)
            routes.add_api_route(address, _answering(path), methods=["GET", "HEAD"])
    return routes


def _answering(path: Path):
    content = path.read_bytes()
    media_type = SHOWN_AS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    # Browsers keep the file, and ask each time whether it is still the same: after an update it is not.
    headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"', "Cache-Control": "no-cache"}

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return answer
