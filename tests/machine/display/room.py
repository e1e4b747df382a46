"""A machine whose display may be looked at, for tests."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from qmpx.machine import Machine, VirtualClock
from tests.machine.display.rfb_client import (
    RAW,
    Area,
    Viewer,
    view,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from qmpx.machine.happenings import Happening

LOCAL = "127.0.0.1"
ALL = [Area(0, 0, 720, 400, RAW)]


class Room:
    """A machine whose display somebody may look at, and what it tells."""

    def __init__(self, *, clock: VirtualClock | None = None) -> None:
        self.machine = Machine("vmname", clock=clock or VirtualClock())
        self.display = self.machine.display
        self.vnc = self.display.vnc
        self.told: list[Happening] = []
        self.machine.listen(self.told.append)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.vnc.info()["service"])

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not condition():  # noqa: ASYNC110 - what comes true tells nobody
            await asyncio.sleep(0.001)

    async def view(self, *arguments: Any, **options: Any) -> Viewer:
        """Return a client that is in."""
        viewer = await view(LOCAL, self.port)
        await viewer.shake_hands(*arguments, **options)
        return viewer

    def names(self) -> list[str]:
        """Return the kinds of what was told."""
        return [type(happening).__name__ for happening in self.told]


@asynccontextmanager
async def room(target: str = ":0", **options: Any) -> AsyncIterator[Room]:
    """Give a room with a VNC server on a free port."""
    made = Room(**options)
    made.vnc.open(f"{LOCAL}{target},to=99" if target.startswith(":") else target)
    try:
        yield made
    finally:
        made.display.close()
