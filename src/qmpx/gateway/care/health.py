"""How a shared monitor is: asked every few seconds, beside what its clients ask.

The states are those of `qmpx.client.health`: ``ok``; ``busy``, where it answers out of
band only; ``silent``; ``gone``. The question in band waits for its turn as a client's
command does, so a monitor that has a long command to run is busy, not silent. A monitor
without out-of-band execution cannot be told from a silent one while it is busy.
"""

import asyncio
import logging
import random
import time
from typing import Final

from qmpx.client.health import QUESTION, SECOND_QUESTION, Health, busy, silent
from qmpx.errors import CommandError
from qmpx.gateway.settings.process import HealthSettings
from qmpx.gateway.upstreams.upstream import Upstream
from qmpx.monitor.deferred import Deferred
from qmpx.wire.server import OOB

JITTER: Final = 0.2
"""The part of a pause that is left to chance, so that many monitors are not asked in
the same moment."""

logger = logging.getLogger("qmpx.gateway")


class HealthWatch:
    """Asks one monitor how it is.

    Args:
        upstream: The connection to it.
        settings: How often.
        name: What it is called in the log.

    Attributes:
        health: How it is.
        since: Since when: seconds since 1970.
        answered_at: When it answered in band last, likewise; ``None``: not yet.
    """

    def __init__(self, upstream: Upstream, settings: HealthSettings, name: str) -> None:
        self.health = Health("gone", upstream.reason)
        self.since = time.time()
        self.answered_at: float | None = None
        self._upstream = upstream
        self._settings = settings
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._asked: Deferred | None = None  # in band, not answered yet

    def start(self) -> None:
        """Ask from now on."""
        self._task = asyncio.get_running_loop().create_task(self._go_on())

    async def adapt(self, settings: HealthSettings) -> None:
        """Ask by other settings from now on."""
        was, self._settings = self._settings, settings
        if was.interval != settings.interval and self._task is not None:
            await self.close()
            self.start()

    async def close(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def found(self) -> None:
        """Note that there is a conversation."""
        self._asked = None
        self.answered_at = time.time()
        self._set(Health("ok"))

    def lost(self, reason: str) -> None:
        """Note that there is none."""
        self._asked = None
        self._set(Health("gone", reason))

    async def look(self) -> None:
        """Ask once, and note how it is."""
        if not self._upstream.is_open:
            return
        began = time.monotonic()
        if self._asked is None or self._asked.done():
            self._asked = self._ask(began)
        if await settled(self._asked, self._settings.timeout):
            return  # and noted
        opened = self._upstream.opened
        has_oob = OOB in self._upstream.greeting.capabilities
        began = time.monotonic()
        if has_oob and await self._answers_out_of_band():
            health = busy(time.monotonic() - began)
        else:
            # In a thread: it looks through the processes of the system.
            sock = self._upstream.sock
            health = await asyncio.to_thread(silent, sock, asked_twice=has_oob)
        if self._is_same(opened) and not self._asked.done():
            self._set(health)

    def _is_same(self, opened: int) -> bool:
        """Whether the conversation is the one that it was."""
        return self._upstream.is_open and self._upstream.opened == opened

    async def _go_on(self) -> None:
        while True:
            pause = self._settings.interval
            await asyncio.sleep(pause * (1 - JITTER * random.random()))  # noqa: S311
            try:
                await self.look()
            except (CommandError, OSError) as error:
                logger.debug("%s could not be asked how it is: %s", self._name, error)

    def _ask(self, began: float) -> Deferred:
        told, opened = Deferred(), self._upstream.opened

        def note(reply: Deferred) -> None:
            if self._is_same(opened):
                self.answered_at = time.time()
                self._set(Health("ok", in_band=time.monotonic() - began))
            told.set_result(reply.exception())

        self._upstream.ask(QUESTION).add_done_callback(note)
        return told

    async def _answers_out_of_band(self) -> bool:
        asked = self._upstream.ask(SECOND_QUESTION, out_of_band=True)
        return await settled(asked, self._settings.timeout)

    def _set(self, health: Health) -> None:
        was, self.health = self.health, health
        if was.state != health.state:
            self.since = time.time()
            is_known = was.state != "gone" and health.state != "gone"
            if is_known:  # that it is gone, and back, is said elsewhere
                reason = f": {health.reason}" if health.reason else ""
                logger.warning("%s is %s%s", self._name, health.state, reason)


async def settled(deferred: Deferred, seconds: float) -> bool:
    """Wait for a reply, and tell whether there is one in time. It can be asked again.

    Args:
        deferred: The reply; nobody else waits for it.
        seconds: For how long.
    """
    if deferred.done():
        return True
    there = asyncio.get_running_loop().create_future()

    def note(_: Deferred) -> None:
        if not there.done():
            there.set_result(None)

    deferred.add_done_callback(note)
    try:
        async with asyncio.timeout(seconds):
            await there
    except TimeoutError:
        return False
    return True
