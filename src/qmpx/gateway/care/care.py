"""Looking after the connection to a shared monitor.

* what clients are told when it does not answer (`patience`);
* how it stands, so that they can be told what changed while it was away (`standing`);
* how it is (`health`);
* what it has said once and for all (`unchanging`) is forgotten when it is lost.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import UNSET, Struct

from qmpx.errors import CommandError
from qmpx.gateway.care.answers import UnchangingAnswers
from qmpx.gateway.care.health import HealthWatch, settled
from qmpx.gateway.care.patience import Patience
from qmpx.gateway.care.standing import PARTS, TOUCHED_BY, Standing, differences
from qmpx.gateway.settings.process import HealthSettings
from qmpx.gateway.settings.upstreams import UpstreamSettings
from qmpx.gateway.sharing.monitor import SharedMonitor
from qmpx.gateway.upstreams.passing import PassedError, Request

STATE_TIMEOUT: Final = 5.0
"""Seconds in which a monitor that is back tells its state, before clients may use it:
an idle one takes some thousandths. What it has not told then counts as unknown."""

TOUCH_PAUSE: Final = 0.2
"""Seconds from an event or a command to the look at what it may have changed: they come
in bunches."""

logger = logging.getLogger("qmpx.gateway")


class HealthInfo(Struct, rename="kebab", omit_defaults=True):
    """What ``x-qmpx-health`` returns.

    Attributes:
        state: ``ok``, ``busy``, ``silent`` or ``gone``.
        since: Since when: seconds since 1970.
        reason: What was seen.
        hint: What to do about it.
        in_band: Seconds that it took to answer last.
        out_of_band: Likewise, out of band.
        answered_at: When it answered in band last: seconds since 1970.
        waiting: Commands that wait for their turn.
        sent: Commands in band that are not answered.
        sent_out_of_band: Likewise, out of band.
        opened: How often there was a conversation.
    """

    state: str
    since: float
    waiting: int
    sent: int
    sent_out_of_band: int
    opened: int
    reason: str | None = None
    hint: str | None = None
    in_band: float | None = None
    out_of_band: float | None = None
    answered_at: float | None = None


class UpstreamCare:
    """Looks after the connection of one shared monitor.

    Args:
        monitor: The monitor; the local command ``x-qmpx-health`` is added to it.
        settings: How.
        health: How it is asked how it is.
        name: What it is called.
        told: Told why the connection is lost, or the empty text when it is made.

    Attributes:
        watch: How it is.
        answers: What it has said once and for all; ``None``: nothing is remembered.
        standing: How its machine stands, as far as it is known.
    """

    def __init__(
        self,
        monitor: SharedMonitor,
        settings: UpstreamSettings,
        health: HealthSettings,
        name: str,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        upstream = monitor.upstream
        self._monitor = monitor
        self._upstream = upstream
        self._told = told
        self._watches = settings.watch
        self.watch = HealthWatch(upstream, health, name)
        self.standing = Standing()
        self._fresh: Standing | None = None  # read, and nobody was told yet
        self._touched: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.Task[None] | None = None
        self._patience: Patience | None = None
        self.answers: UnchangingAnswers | None = None
        self.adapt(settings)
        if self._watches:
            monitor.what_changed = self._what_changed
        monitor.local.command("x-qmpx-health", allow_oob=True)(self.info)
        upstream.care = self

    def adapt(self, settings: UpstreamSettings) -> None:
        """Look after it by other settings from now on, but for `watch`.

        What is under way keeps the deadline that it had.
        """
        upstream, self._patience = self._upstream, None
        if settings.deadline or settings.deadlines:
            figures = {key: each or None for key, each in settings.deadlines.items()}
            default = settings.deadline or None
            self._patience = Patience(default, figures, upstream.traffic.give_up)
        if self.answers is not None:
            self._monitor.answers.remove(self.answers)
            self.answers = None
        if settings.remembered:
            self.answers = UnchangingAnswers(settings.remembered)
            self._monitor.answers.append(self.answers)
        self._monitor.remembered = settings.remembered

    def start(self) -> None:
        """Begin to watch."""
        if self._watches:
            self.watch.start()

    async def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._patience is not None:
            self._patience.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self.watch.close()

    def info(self) -> HealthInfo:
        """Return how the monitor is."""
        watch, upstream = self.watch, self._upstream
        sent, sent_out_of_band = upstream.in_flight
        return HealthInfo(
            state=watch.health.state,
            since=watch.since,
            waiting=upstream.waiting,
            sent=sent,
            sent_out_of_band=sent_out_of_band,
            opened=upstream.opened,
            reason=watch.health.reason or None,
            hint=watch.health.hint or None,
            in_band=watch.health.in_band,
            out_of_band=watch.health.out_of_band,
            answered_at=watch.answered_at,
        )

    # What the connection tells.

    def begun(self, request: Request) -> None:
        """Let a client's command wait no longer than it may."""
        if self._patience is not None:
            self._patience.begin(request)

    def ended(self, request: Request) -> None:
        """Note that a command is answered, and what it may have changed."""
        if request.patience is not None:
            request.patience.end(request)  # the one that it began with
        if request.name in TOUCHED_BY:
            self._touch(TOUCHED_BY[request.name])

    def happened(self, name: str) -> None:
        """Note what an event may have changed."""
        if name in TOUCHED_BY:
            self._touch(TOUCHED_BY[name])

    async def greeted(self) -> None:
        """Look how the machine stands, before clients may use it."""
        if self._watches:
            self._fresh = fresh = Standing()
            await self._read(PARTS, fresh)

    def changed(self, reason: str) -> None:
        """Note that the connection is made, or lost."""
        if not reason:
            if self._upstream.opened == 1:
                self._monitor.found()
            if self._fresh is not None:
                self.standing, self._fresh = self._fresh, None
            self.watch.found()
            self._told(reason)
            return
        self.watch.lost(reason)
        if self.answers is not None:
            self.answers.forget()
        if self._patience is not None:
            self._patience.close()  # all were told
        self._touched.clear()
        self._told(reason)

    # How it stands.

    def _what_changed(self) -> dict[str, Any]:
        if self._fresh is None:
            return {}
        return differences(self.standing, self._fresh)

    def _touch(self, parts: Iterable[str]) -> None:
        if not self._watches or not self._upstream.is_open:
            return
        self._touched.update(parts)
        if self._timer is None and self._reading is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(TOUCH_PAUSE, self._look)

    def _look(self) -> None:
        self._timer = None
        parts, self._touched = self._touched, set()
        task = asyncio.get_running_loop().create_task(self._read(parts, self.standing))
        self._reading = task

        def done(_: asyncio.Task[None]) -> None:
            self._reading = None
            if self._touched:
                self._touch(())

        task.add_done_callback(done)

    async def _read(self, parts: Iterable[str], standing: Standing) -> None:
        """Ask for some parts, all at once, and note those that are told in time."""
        asked = {}
        for name in parts:
            part = PARTS[name]
            try:
                reply = self._upstream.ask(part.command, part.arguments or UNSET)
            except CommandError:
                return  # it is away
            asked[name] = reply
        loop = asyncio.get_running_loop()
        until = loop.time() + STATE_TIMEOUT
        for name, reply in asked.items():
            is_there = await settled(reply, max(until - loop.time(), 0.0))
            error = reply.exception() if is_there else None
            if error is not None and not isinstance(error, PassedError):
                return  # it was lost meanwhile: that standing is the one before
            is_known = is_there and error is None
            standing.take(name, reply.result() if is_known else None)
