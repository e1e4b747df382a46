"""One monitor of a gateway's many: found, served to its clients, lost, forgotten."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from qmpx.errors import AddressError
from qmpx.gateway.care.care import UpstreamCare
from qmpx.gateway.host.systemd import resolve
from qmpx.gateway.settings.process import HealthSettings
from qmpx.gateway.settings.upstreams import UpstreamSettings
from qmpx.gateway.sharing.monitor import MAX_CLIENTS, SharedMonitor
from qmpx.gateway.upstreams.link import Link
from qmpx.monitor.server import Server
from qmpx.transport.address import (
    Address,
    ListenAddress,
    UnixAddress,
    parse_listen_address,
)

LISTEN_PAUSE: Final = 5.0
"""Seconds until the next try where it cannot be listened: somebody has to mend that."""


class Attached(Protocol):
    """What goes with a member, and ends with it."""

    async def close(self) -> None:
        """End."""


logger = logging.getLogger("qmpx.gateway")


class Member:
    """One monitor that is shared.

    Its clients can connect from the moment in which it was found for the first time:
    before that there is nothing to greet them with. From then on they can always.

    Args:
        name: What it is called.
        settings: How it is shared and looked after.
        address: Where it is, or where it connects to.
        health: How it is asked how it is.
        handed: The sockets of systemd's, by name.
        dials_in: Whether it connects to us.

    Attributes:
        name: What it is called.
        settings: How it is shared and looked after.
        monitor: The shared monitor.
        care: What looks after it.
        is_listed: Whether it is to be kept, also while it is away.
        problem: Why it is not served, although it was found; empty: it is.
        attached: What ends with it.
    """

    def __init__(
        self,
        name: str,
        settings: UpstreamSettings,
        address: Address,
        *,
        health: HealthSettings,
        handed: Mapping[str, list[int]],
        dials_in: bool = False,
    ) -> None:
        self.name = name
        self.settings = settings
        self.is_listed = not dials_in
        self.problem = ""
        self._handed = handed
        self._links: asyncio.Queue[Link] = asyncio.Queue(1)
        self._servers: dict[str, Server] = {}
        self._ending: list[Server] = []
        self._is_hurried = False
        self._places: set[str] = set()  # of sockets of ours
        self._serving: asyncio.Task[None] | None = None
        self._away_since: float | None = asyncio.get_running_loop().time()
        self._on_change: Callable[[], None] = lambda: None
        self.attached: list[Attached] = []
        self.monitor = SharedMonitor(
            address,
            connect_timeout=settings.connect_timeout,
            dial=self._links.get if dials_in else None,
        )
        self.care = UpstreamCare(self.monitor, settings, health, name, self._told)

    def start(self, on_change: Callable[[], None]) -> None:
        """Look for it, and serve it once it is found.

        Args:
            on_change: Called when it is found or lost.
        """
        self._on_change = on_change
        self.care.start()
        self.monitor.upstream.start()

    def deliver(self, link: Link) -> bool:
        """Take a connection that it has made; tell whether there was none."""
        if self.monitor.upstream.is_open or self._links.full():
            return False
        self._links.put_nowait(link)
        return True

    @property
    def servers(self) -> list[Server]:
        """What serves its clients."""
        return list(self._servers.values())

    def addresses(self) -> Iterator[str]:
        """Yield where its clients connect to, now."""
        for server in self._servers.values():
            for listener in server.listeners:
                yield str(listener.address)

    @property
    def own_paths(self) -> frozenset[str]:
        """The real paths of its sockets for clients: no monitors of anybody else's."""
        return frozenset(self._places)

    def is_forgotten(self, now: float) -> bool:
        """Whether it is away for so long that it is to be given up.

        Args:
            now: By the loop's clock.
        """
        if self.is_listed or self._away_since is None:
            return False
        return now - self._away_since >= self.settings.forget_after

    def adapt(self, settings: UpstreamSettings) -> None:
        """Share it by other settings; connections of its clients stay.

        A listener that is not among the new ones is closed, with its clients.
        """
        self.settings = settings
        self.care.adapt(settings)
        wanted = settings.places_for(self.name)
        for place in [each for each in self._servers if each not in wanted]:
            server = self._servers.pop(place)
            self._forget(place)
            server.stop(0)
        if self.monitor.upstream.opened:
            self._serve()

    async def close(self, grace: float) -> None:
        """Take no more clients, answer what is being answered, and end.

        Args:
            grace: Seconds for that at most.
        """
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])
        self._ending = list(self._servers.values())
        self._servers.clear()
        for server in self._ending:
            server.stop(0 if self._is_hurried else grace)
        for server in self._ending:
            await server.wait_closed()
        for each in self.attached:
            await each.close()
        await self.care.close()
        await self.monitor.upstream.close()
        with contextlib.suppress(asyncio.QueueEmpty):
            self._links.get_nowait().close()

    def hurry(self) -> None:
        """Wait no longer for what is being answered, while it ends."""
        self._is_hurried = True
        for server in self._ending:
            server.stop(0)

    def _told(self, reason: str) -> None:
        if reason:
            self._away_since = asyncio.get_running_loop().time()
        else:
            self._away_since = None
            if self.monitor.upstream.opened == 1:
                self._serve()
        self._on_change()

    def _serve(self) -> None:
        if self._serving is None or self._serving.done():
            loop = asyncio.get_running_loop()
            self._serving = loop.create_task(self._open_all())

    async def _open_all(self) -> None:
        while True:
            if await self._have_opened_all():
                return
            await asyncio.sleep(LISTEN_PAUSE)

    async def _have_opened_all(self) -> bool:
        for place in self.settings.places_for(self.name):
            if place in self._servers:
                continue
            try:
                await self._open(place)
            except AddressError as error:
                if self.problem != str(error):
                    self.problem = str(error)
                    logger.error("%s: %s", self.name, error)  # noqa: TRY400
                return False
        self.problem = ""
        return True

    async def _open(self, place: str) -> None:
        addresses = [parse_listen_address(x) for x in resolve(place, self._handed)]
        server = self.monitor.serve(
            *addresses,
            max_sessions=self.settings.clients or MAX_CLIENTS,
            allow_remote=self.settings.allow_remote,
        )
        self._places |= set(map(_real_path, addresses))
        try:
            await server.__aenter__()
        except BaseException:
            self._forget(place)
            raise
        try:
            self.monitor.opened(server)
        except BaseException:
            await server.close(0)
            raise
        self._servers[place] = server

    def _forget(self, place: str) -> None:
        for each in resolve(place, self._handed):
            address = parse_listen_address(each)
            self._places.discard(_real_path(address))


def _real_path(address: ListenAddress) -> str:
    """Return where a socket's file really is; empty if it has none."""
    if isinstance(address, UnixAddress) and not address.abstract:
        return os.path.realpath(address.path)
    return ""
