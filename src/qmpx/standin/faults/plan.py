"""The faults of one monitor, and the time and the chance that decide on them.

::

    plan = FaultPlan(clock, seed=7)
    plan.attach(monitor)
    plan.add("reply-late", command="query-block", nth=3, seconds=180)

Faults may be added and removed at any time. The same seed, the same faults and the same
commands give the same run.
"""

import contextlib
from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import LocalProtocolError
from qmpx.machine.clock import Clock, RealClock, Timer
from qmpx.standin.faults.fault import Fault, read_fault
from qmpx.standin.faults.kind import Point

if TYPE_CHECKING:
    import socket

    from qmpx.monitor.monitor import Monitor
    from qmpx.monitor.session import Session
    from qmpx.standin.faults.channel import FaultyChannel
    from qmpx.transcript import Entry

MAX_FAULTS: Final = 1024
"""Faults of one plan: each command is held against all of them."""


class FaultPlan:
    """What goes wrong with the clients of a monitor, and when.

    Args:
        clock: The time that moments and delays are in.
        seed: What chance follows from.
        end_process: Ends the process, for faults that do this: told an exit status and
            a signal or ``None``. Without it such faults are refused.

    Attributes:
        clock: The same.
        seed: The same.
        witnesses: Told of each message on each connection, as the client sent or saw
            it, and of connections made and lost.
        channels: The connections that are open, by their numbers.
        is_hung: Whether the process is to do nothing any more, before its end.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        seed: int = 0,
        end_process: Callable[[int, int | None], None] | None = None,
    ) -> None:
        self.clock: Clock = clock if clock is not None else RealClock()
        self.seed = seed
        self.witnesses: list[Callable[[Entry], None]] = []
        self.channels: dict[int, FaultyChannel] = {}
        self.is_hung = False
        self._end_process = end_process
        self._faults: dict[int, Fault] = {}
        self._start = self.clock.microseconds()
        self._next = 1
        self._connections = 0
        self._timers: dict[int, Timer] = {}
        self._monitor: Monitor | None = None

    @property
    def now(self) -> float:
        """Seconds since the plan was made."""
        return (self.clock.microseconds() - self._start) / 1_000_000

    @property
    def faults(self) -> list[Fault]:
        """The faults, in the order in which they were added."""
        return list(self._faults.values())

    def add(self, kind: str, **description: Any) -> Fault:
        """Add a fault.

        Args:
            kind: Its kind, such as ``reply-late``; see `FAULTS`.
            description: Parameters and conditions; an underscore stands for a hyphen.

        Raises:
            FaultError: It is not described as it must be.
        """
        return self.add_described({"kind": kind, **description})

    def add_described(self, description: Mapping[str, Any]) -> Fault:
        """Add a fault that is described by an object, as in a scenario.

        Raises:
            FaultError: It is not described as it must be.
            LocalProtocolError: There are too many; or it would end this process.
        """
        if len(self._faults) >= MAX_FAULTS:
            raise LocalProtocolError(
                f"there are {MAX_FAULTS} faults: that is the limit"
            )
        fault = read_fault(description, id=self._next, seed=self.seed)
        if fault.kind.name in ("crash", "hang-then-die") and self._end_process is None:
            message = (
                f"{fault.kind.name} would end this process: run the monitor in one"
            )
            raise LocalProtocolError(f"{message} of its own (qmpx serve)")
        if fault.kind.point is Point.LISTENING and self._monitor is not None:
            message = f"{fault.kind.name} must be there before the monitor listens"
            raise LocalProtocolError(message)
        self._next += 1
        self._faults[fault.id] = fault
        self._schedule(fault)
        return fault

    def remove(self, id: int) -> bool:  # noqa: A002
        """Take a fault away; what it has begun goes on. Tell whether it was there."""
        if (timer := self._timers.pop(id, None)) is not None:
            timer.cancel()
        return self._faults.pop(id, None) is not None

    def clear(self) -> None:
        """Take all faults away."""
        for number in list(self._faults):
            self.remove(number)

    def attach(self, monitor: "Monitor") -> None:
        """Stand between *monitor* and the clients that come from now on."""
        monitor.interpose = self._interpose
        self._monitor = monitor

    def start(self) -> None:
        """Let moments come, counting from when the plan was made.

        Needed where faults were added before there was an event loop.
        """
        for fault in self._faults.values():
            self._schedule(fault)

    def _schedule(self, fault: Fault) -> None:
        if not fault.is_of_a_moment or fault.id in self._timers:
            return
        delay = max(fault.conditions["at"] - self.now, 0.0)
        with contextlib.suppress(RuntimeError):  # no loop yet: see `start`
            self._timers[fault.id] = self.clock.call_later(
                delay, lambda: self._strike_all(fault)
            )

    def _strike_all(self, fault: Fault) -> None:
        """Let a fault of a moment set in, on each connection that it is for."""
        self._timers.pop(fault.id, None)
        if fault.kind.name in ("crash", "hang-then-die"):
            if fault.strikes("", 0, self.now):
                self.end(fault)
            return
        for number, channel in list(self.channels.items()):
            if fault.strikes("", number, self.now):
                channel.strike(fault)

    def striking(
        self,
        points: tuple[Point, ...],
        name: str,
        connection: int,
        passed_over: Container[str] = (),
    ) -> list[Fault]:
        """Return the faults that set in now.

        Args:
            points: At these points.
            name: The name of the command or the event.
            connection: The number of the connection.
            passed_over: Kinds that cannot set in now, and do not count.
        """
        if not self._faults:
            return []
        now = self.now
        return [
            fault
            for fault in list(self._faults.values())
            if fault.kind.point in points
            and fault.kind.name not in passed_over
            and not fault.is_of_a_moment
            and fault.strikes(name, connection, now)
        ]

    def at_listening(self) -> list[Fault]:
        """Return the faults that set in before the monitor listens."""
        return self.striking((Point.LISTENING,), "", 0)

    def end(self, fault: Fault) -> None:
        """End the process as *fault* says."""
        if self._end_process is None:  # then it was not added
            return
        if fault.kind.name == "crash":
            self._end_process(fault["status"], fault["signal"])
            return
        import signal

        self.is_hung = True
        for channel in self.channels.values():
            channel.mute(None)

        end = self._end_process
        self.clock.call_later(fault["seconds"], lambda: end(1, signal.SIGKILL))

    def tell(self, entry: "Entry") -> None:
        """Tell the witnesses."""
        for witness in self.witnesses:
            witness(entry)

    @property
    def has_real_time(self) -> bool:
        """Whether time passes of itself."""
        return isinstance(self.clock, RealClock)

    def connection_lost(self, channel: "FaultyChannel") -> None:
        """Forget a connection, and let one in that has waited for its end."""
        self.channels.pop(channel.number, None)
        if any(other.is_served for other in self.channels.values()):
            return
        for other in list(self.channels.values()):
            other.let_in()
            if other.is_served:
                return

    def _interpose(self, session: "Session", sock: "socket.socket") -> None:
        from qmpx.standin.faults.channel import FaultyChannel

        self._connections += 1
        others = sum(channel.is_served for channel in self.channels.values())
        channel = FaultyChannel(self, session, sock, self._connections)
        self.channels[channel.number] = channel
        channel.open(others)
