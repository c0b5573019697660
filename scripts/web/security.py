"""Who may ask: the names of this server, pages of this server alone, and the bearer of the token."""

import hmac
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pneumoseg.scripts.web.refusals import Refusal

API = "/api/"
OWN_PAGES = ("same-origin", "none")
"""Values of Sec-Fetch-Site: a request of this server's page, or typed by a person."""

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "font-src 'self' data:",
        "connect-src 'self' blob: data:",
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Of every answer; what is not told otherwise is kept by nobody (Cache-Control)."""


@dataclass(frozen=True)
class Guard:
    """`hosts`: the names under which the server is asked, without ports; `token`: that every call needs, if any."""

    hosts: frozenset[str]
    token: str | None = None

    def check(self, method: str, path: str, headers: Headers) -> None:
        """Raises Refusal for a request that is not to be served.

        A foreign Host is refused since a foreign name may be made to point here (DNS rebinding), requests from other
        sites' pages since browsers send them without asking. Only a link to the page may be anywhere.
        """
        host = headers.get("host", "")
        if not host:
            raise Refusal(400, "A request needs a Host header.")
        if host_name(host) not in self.hosts:
            raise Refusal(403, "This server is not known by that Host; --host-name adds a name.")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise Refusal(403, "Requests from pages of other sites are refused.")
        link = method in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate" and not path.startswith(API)
        if not link and headers.get("sec-fetch-site", "none") not in OWN_PAGES:
            raise Refusal(403, "Requests from pages of other sites are refused.")
        if self.token is not None and path.startswith(API) and not self._is_bearer(headers):
            raise Refusal(401, "This call needs the server's token: Authorization: Bearer TOKEN.", WANTED)

    def _is_bearer(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        wanted = (self.token or "").encode()
        return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), wanted)


WANTED = {"WWW-Authenticate": "Bearer"}


def host_name(host: str) -> str:
    """The name in a Host header, in lower case, without port.

    >>> host_name("LOCALHOST:8000"), host_name("[::1]:8000"), host_name("a.example.")
    ('localhost', '::1', 'a.example')
    """
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower().removesuffix(".")


class Guarded:
    """Checks each request before anything else is done with it."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self.app, self.guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http":
            self.guard.check(scope["method"], scope["path"], Headers(scope=scope))
        await self.app(scope, receive, send)


class SecureAnswers:
    """Puts the headers on each answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, secured)
