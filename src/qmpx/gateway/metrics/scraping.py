"""Where Prometheus reads: a listener of its own, in a thread of its own.

It speaks as much HTTP as a scrape needs: one request for each connection, answered and
closed. A unix socket will do as well as loopback; anything that others can reach has to
be asked for.
"""

import asyncio
import logging
import socket
import threading
from typing import Final, Self

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from qmpx.errors import AddressError
from qmpx.gateway.host.visitors import Visitors
from qmpx.transport.address import ListenAddress
from qmpx.transport.listener import Listener

MAX_SCRAPERS: Final = 16
"""Connections at once: Prometheus has one, and a person or two look by hand."""

MAX_REQUEST: Final = 16 * 1024
"""Bytes of a request: a browser's headers, with room."""

REQUEST_TIMEOUT: Final = 5.0
"""Seconds for a request to come, and for its answer to be taken."""

PATH: Final = "/metrics"

logger = logging.getLogger("qmpx.gateway")


class Scraping:
    """Serves a collector's metrics, in a thread, from ``with`` on.

    Args:
        collector: Makes them; it is called in that thread.
        addresses: Where.
        allow_remote: Whether to listen on a TCP address that others can reach.

    Attributes:
        addresses: The same, ports filled in.

    Raises:
        AddressError: On entering: it cannot be listened on, and why.
    """

    def __init__(
        self,
        collector: Collector,
        addresses: list[ListenAddress],
        *,
        allow_remote: bool = False,
    ) -> None:
        self.addresses = addresses
        self._allow_remote = allow_remote
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(collector)
        ProcessCollector(registry=self._registry)
        self._is_ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._visitors = Visitors(self._answer)
        self._thread = threading.Thread(target=self._run, name="qmpx-metrics")

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(self, *exception: object) -> None:
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except (AddressError, OSError) as error:
            self._failure = error
        finally:
            self._is_ready.set()

    async def _serve(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        listeners: list[Listener] = []
        try:
            for address in self.addresses:
                listener = Listener(
                    loop,
                    address,
                    self._visitors.accept,
                    max_sessions=MAX_SCRAPERS,
                    allow_remote=self._allow_remote,
                )
                listeners.append(listener)
            self.addresses = [listener.address for listener in listeners]
            for listener in listeners:
                listener.start()
            self._is_ready.set()
            await self._end.wait()
        finally:
            for listener in listeners:
                listener.close()
            await self._visitors.close()

    async def _answer(self, sock: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=sock, limit=MAX_REQUEST)
        is_closed = False
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                request = await reader.readuntil(b"\r\n\r\n")
            reply = self._reply(request)  # which takes as long as it takes
            async with asyncio.timeout(REQUEST_TIMEOUT):
                writer.write(reply)
                await writer.drain()
                writer.close()
                await writer.wait_closed()
                is_closed = True
        except (
            OSError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as error:
            logger.debug("a scrape came to nothing: %r", error)
        finally:
            if not is_closed:
                writer.transport.abort()

    def _reply(self, request: bytes) -> bytes:
        first, *lines = request.decode("latin-1").split("\r\n")
        method, _, rest = first.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", b"GET and HEAD only\n")
        if path != PATH:
            return _response("404 Not Found", b"the metrics are at /metrics\n")
        headers = dict(line.lower().split(":", 1) for line in lines if ":" in line)
        # Everything is in memory: this waits for no monitor.
        encode, kind = choose_encoder(headers.get("accept", "").strip())
        body = encode(self._registry)
        return _response("200 OK", body, kind, has_body=method == "GET")


def _response(
    status: str,
    body: bytes,
    kind: str = "text/plain; charset=utf-8",
    *,
    has_body: bool = True,
) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (body if has_body else b"")
