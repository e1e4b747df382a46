"""What clients have begun to say and not ended, all together, within bounds.

QEMU lets one message have 64 MB, and so does the gateway; but QEMU has one client. Here
the client that holds most is disconnected when all of them hold too much.
"""

import asyncio
import logging
from collections.abc import Collection
from typing import Final

from qmpx.gateway.sharing.client import Client

MAX_HELD: Final = 192 * 1024 * 1024
"""Bytes of memory that unfinished messages of all clients of one monitor may take: one
of the largest text that QEMU takes, in the two copies of a moment, and as much again
for the others; those of real clients have some hundred bytes."""

INTERVAL: Final = 0.5
"""Seconds between two looks; a client sends some ten megabytes meanwhile."""

logger = logging.getLogger("qmpx.gateway")


class Hoards:
    """Looks after the clients of one monitor, while there are any.

    Args:
        clients: They, as they come and go.
    """

    __slots__ = ("_clients", "_timer")

    def __init__(self, clients: Collection[Client]) -> None:
        self._clients = clients
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Begin to look, or go on."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if not self._clients:
            return
        self.watch()
        held = {client: _held_by(client) for client in self._clients}
        total = sum(held.values())
        while total > MAX_HELD:
            client = max(held, key=held.__getitem__)
            size = held.pop(client)
            total -= size
            reason = f"its unfinished message takes {size} bytes of memory"
            logger.warning("%s is disconnected: %s", client, reason)
            client.disconnect(reason)


def _held_by(client: Client) -> int:
    return client.session.wire.reader.held
