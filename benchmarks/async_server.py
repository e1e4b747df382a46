"""A monitor with one command, as a server to be measured: ``query-status``.

Its handler is an ``async def`` that never waits. With ``--plain``, it is a plain
function instead, and the loop is that of asyncio and not uvloop.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import qmpx

_STATUS: Final[dict[str, str | bool]] = {
    "status": "running",
    "singlestep": False,
    "running": True,
}


async def status_soon(_target: object) -> dict[str, str | bool]:
    """Return the run state, from a coroutine that never waits."""
    return _STATUS


def status_now(_target: object) -> dict[str, str | bool]:
    """Return the run state."""
    return _STATUS


def main(path: str, *, plain: bool = False) -> None:
    """Serve at the unix socket *path* until interrupted."""
    monitor = qmpx.Monitor(object())
    monitor.command("query-status")(status_now if plain else status_soon)
    if not plain:
        monitor.run(f"unix:{path}")
        return

    async def serve() -> None:
        async with monitor.serve(f"unix:{path}") as server:
            await server.wait_closed()

    asyncio.run(serve())


if __name__ == "__main__":
    main(sys.argv[1], plain="--plain" in sys.argv)
