"""What a test has in its hands: time, faults, and a monitor to control them.

A stage stands around a machine and its monitor::

    stage = Stage(read_scenario("slow.toml"))
    machine = Machine(clock=stage.clock)
    monitor = modern_monitor(machine)
    stage.set(machine, monitor)
    async with (
        stage.controlled(["unix:control.sock"]),
        stage.opened(monitor.serve("unix:qmp.sock")) as server,
    ):
        await server.wait_closed()
"""

import contextlib
import os
import signal as signals
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Final

from qmpx.errors import LocalProtocolError
from qmpx.machine.clock import VirtualClock
from qmpx.standin.faults.kind import MAX_SECONDS
from qmpx.standin.faults.listening import (
    begin_to_listen,
    dead_sockets,
    wait_to_listen,
)
from qmpx.standin.faults.plan import FaultPlan
from qmpx.standin.faults.scenario import Scenario
from qmpx.transport.address import UnixAddress

if TYPE_CHECKING:
    from qmpx.machine import Machine
    from qmpx.monitor.monitor import Monitor
    from qmpx.monitor.server import Server
    from qmpx.standin.agent import GuestAgents
    from qmpx.standin.faults.fault import Fault
    from qmpx.transcript import Entry
    from qmpx.transport.address import ListenAddress

MAX_KEPT: Final = 65536
"""Messages of the conversation that are kept, some thirty megabytes; then the oldest
are dropped and counted."""


def end_process(status: int, signal: int | None) -> None:
    """End this process at once, as a crash would."""
    sys.stderr.flush()
    if signal is not None:
        with contextlib.suppress(OSError):  # it cannot be caught, or is none
            signals.signal(signal, signals.SIG_DFL)
        os.kill(os.getpid(), signal)
        status = 128 + signal  # it was one that kills nobody
    os._exit(status)


class Stage:
    """The circumstances of one machine.

    Args:
        scenario: What they are at first.
        clock: ``real`` or ``virtual``, whatever the scenario says.
        end: Ends the process, for the faults that do this; see `FaultPlan`.

    Attributes:
        scenario: The same.
        clock: The time of the machine and of the faults.
        plan: The faults.
        agents: The guest's agents, if it has any.
        conversation: What crossed the wire, the newest messages of all clients.
        forgotten: How many older messages are not kept any more.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        clock: str | None = None,
        end: Callable[[int, int | None], None] | None = None,
    ) -> None:
        self.scenario = scenario if scenario is not None else Scenario()
        if clock is not None:
            self.scenario.clock = clock
        self.clock = self.scenario.make_clock()
        self.plan = FaultPlan(self.clock, seed=self.scenario.seed, end_process=end)
        self.scenario.apply(self.plan)
        self.conversation: deque[Entry] = deque(maxlen=MAX_KEPT)
        self.forgotten = 0
        self._late: list[Fault] = []
        self.agents: GuestAgents | None = None
        self._machine: Machine | None = None
        self._monitor: Monitor | None = None
        self.plan.witnesses.append(self._keep)

    def set(self, machine: "Machine", monitor: "Monitor") -> None:
        """Put a machine and its monitor on the stage.

        Args:
            machine: The machine, which has the stage's clock.
            monitor: Its monitor; clients that come from now on meet the faults.
        """
        self._machine = machine
        self._monitor = monitor
        self.plan.attach(monitor)
        if (guest := self.scenario.make_guest()) is not None:
            machine.guest = guest

    @property
    def machine(self) -> "Machine":
        """The machine.

        Raises:
            LocalProtocolError: There is none yet.
        """
        if self._machine is None:
            raise LocalProtocolError("there is no machine yet")
        return self._machine

    @property
    def monitor(self) -> "Monitor":
        """The machine's monitor.

        Raises:
            LocalProtocolError: There is none yet.
        """
        if self._monitor is None:
            raise LocalProtocolError("there is no monitor yet")
        return self._monitor

    def advance(self, seconds: float) -> None:
        """Let virtual time pass, and do what falls due.

        Raises:
            LocalProtocolError: The time is the real one, or it would go back, or more
                than `MAX_SECONDS` would have passed.
        """
        if not isinstance(self.clock, VirtualClock):
            message = (
                "the clock is the real one: it cannot be advanced (--clock virtual)"
            )
            raise LocalProtocolError(message)
        if seconds < 0:
            message = "time does not go back: expected 0 seconds or more"
            raise LocalProtocolError(message)
        if not seconds + self.plan.now <= MAX_SECONDS:
            message = f"expected {MAX_SECONDS:g} seconds at most, in all"
            raise LocalProtocolError(message)
        self.clock.advance(seconds)

    @contextlib.asynccontextmanager
    async def controlled(
        self,
        addresses: "Sequence[str | os.PathLike[str] | ListenAddress]",
        *,
        allow_remote: bool = False,
    ) -> "AsyncIterator[list[ListenAddress]]":
        """Serve the control monitor, and let moments come.

        Args:
            addresses: Where; none is in order.
            allow_remote: Whether others may reach it.

        Raises:
            AddressError: An address cannot be had.
        """
        self.plan.start()
        if not addresses:
            yield []
            return
        from qmpx.standin.control import control_monitor

        server = control_monitor(self).serve(
            *addresses, allow_remote=allow_remote, grace=0.0
        )
        async with server:
            yield server.addresses

    @contextlib.asynccontextmanager
    async def opened(self, server: "Server") -> "AsyncIterator[Server]":
        """Open a server of the monitor under test, with the faults of its sockets.

        Args:
            server: What `Monitor.serve` returned; it is closed in the end.

        Raises:
            AddressError: An address cannot be had.
        """
        faults = await wait_to_listen(self.plan, server.addresses)
        async with server:
            begin_to_listen(self.plan, faults, server.listeners)
            yield server

    def hold_up(self, paths: Sequence[str]) -> None:
        """Wait, before a process opens its sockets, as long as the faults say.

        Real time passes here, whatever the clock is: nobody could move another yet.

        Args:
            paths: Where the sockets will be.

        Raises:
            AddressError: There is something already where a dead socket should be.
        """
        places = [UnixAddress(path) for path in paths]
        for fault in self.plan.at_listening():
            if fault.kind.name == "socket-late":
                time.sleep(fault["seconds"])
            elif fault.kind.name == "socket-dead":
                with dead_sockets(places):
                    time.sleep(fault["seconds"])
            else:
                self._late.append(fault)

    def hold_back(self, server: "Server") -> None:
        """Let the faults that are left of `hold_up` set in at a server that is open."""
        begin_to_listen(self.plan, self._late, server.listeners)

    def _keep(self, entry: "Entry") -> None:
        if len(self.conversation) == MAX_KEPT:
            self.forgotten += 1
        self.conversation.append(entry)
