"""A listening socket and the server behind it."""

import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts.web.connections import connection_class
from pneumoseg.scripts.web.service import Service

BACKLOG = 128
LAST_ANSWERS_S = 5
"""So long a server that ends waits for requests that are being answered."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound to the address; port 0 asks for a free one. Raises InputError where it is taken or not
    this machine's."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise InputError(f"{host}:{port} cannot be listened on ({error})", options=("host", "port")) from error
    return listening


class Server(uvicorn.Server):
    """Serves an app of `app.create_app` on a socket; `run` ends on SIGTERM and SIGINT, which then do what they did
    before, or when `should_exit` is set. `started`: called when requests are answered."""

    def __init__(self, app: FastAPI, listening: socket.socket, started: Callable[[], None] = lambda: None) -> None:
        self._service: Service = app.state.service
        self._listening, self._tell_started = listening, started
        super().__init__(
            uvicorn.Config(
                app,
                http=connection_class(self._service.limits),
                ws="none",
                loop="asyncio",
                lifespan="off",
                interface="asgi3",
                backlog=BACKLOG,
                log_config=None,
                log_level="critical",  # the app has its own logs, without names
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=LAST_ANSWERS_S,
            )
        )

    def serve_forever(self) -> None:
        """Serves until it is told to end."""
        self.run(sockets=[self._listening])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to answer."""
        await super().startup(sockets)
        if self._service.reception is not None:
            self._service.reception.start()
        self._tell_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what would go on for long, then all else."""
        self._service.stopping.set()
        if self._service.reception is not None:
            await self._service.reception.stop()
        await super().shutdown(sockets)
