"""From open monitors to the end of the process: what takes long to import.

Source: QEMU 7.2.22, observed: a signal is a ``SHUTDOWN`` of the host's, and the exit
status is 0; so it is after ``quit``, and when the guest has switched off.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from qmpx.errors import GenericError
from qmpx.machine.happenings import Exited, Happening, IncomingMoved, ShutDown
from qmpx.machine.runstate import PanicAction, RunState
from qmpx.standin.assembly import Assembly
from qmpx.standin.command_line import CommandLine
from qmpx.standin.device_log import LoggedSocket
from qmpx.standin.endpoints import BACKLOG, Endpoint
from qmpx.standin.failure import StartFailure
from qmpx.standin.monitor_devices import OWN_KINDS, WITHOUT_OOB, open_device
from qmpx.standin.preconfig import hold_commands
from qmpx.standin.process import Daemon, Teller
from qmpx.standin.profile.file import Profile
from qmpx.standin.starting import start
from qmpx.transport.address import (
    FdAddress,
    ListenAddress,
    StdioAddress,
    TcpAddress,
    TelnetAddress,
)

if TYPE_CHECKING:
    from qmpx.monitor import Monitor
    from qmpx.monitor.server import Server
    from qmpx.standin.stage import Stage

FAILED: Final = 1
"""The exit status if the machine that was awaited has not come."""

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that end a QEMU in good order."""

_GRACE: Final = 1.0  # seconds for what is being answered when the end comes
_OURS: Final = frozenset({"host-qmp-quit", "host-signal", "host-error"})


def run(
    line: CommandLine,
    profile: Profile,
    endpoints: Sequence[Endpoint],
    daemon: Daemon,
    teller: Teller,
    stage: "Stage | None" = None,
) -> int:
    """Put the machine together, and serve its monitors until it ends.

    Args:
        line: What was asked for.
        profile: The binary that is stood in for.
        endpoints: The monitors.
        daemon: Whose parent waits until all is open.
        teller: Where messages go.
        stage: Faults, time and a control monitor, if they were asked for.

    Returns:
        The exit status.

    Raises:
        StartFailure: The machine cannot be put together.
    """
    logging.basicConfig(format="qmpx: %(message)s", level=logging.ERROR)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    running = _Running(line, profile, endpoints, daemon, teller, stage)
    with asyncio.Runner() as runner:
        return runner.run(running.serve())


class _Running:
    def __init__(
        self,
        line: CommandLine,
        profile: Profile,
        endpoints: Sequence[Endpoint],
        daemon: Daemon,
        teller: Teller,
        stage: "Stage | None" = None,
    ) -> None:
        self._line = line
        self._stage = stage
        self._endpoints = endpoints
        self._daemon = daemon
        self._teller = teller
        clock = None if stage is None else stage.clock
        self._assembly = Assembly(line, profile, teller.tell, clock=clock)
        self._monitors: list[Monitor] = [self._assembly.monitor]
        self._ended = asyncio.Event()
        self._status = 0
        self._hold(self._assembly.monitor)

    async def serve(self) -> int:
        """Serve until the machine has ended; return the exit status."""
        machine = self._assembly.machine
        async with contextlib.AsyncExitStack() as servers:
            loop = asyncio.get_running_loop()
            for number in ENDING:
                loop.add_signal_handler(number, self._end_by_signal, number)
            machine.listen(self._note)
            if self._stage is not None:
                self._stage.set(machine, self._assembly.monitor)
                controlled = self._stage.controlled(self._line.controls)
                await servers.enter_async_context(controlled)
            if self._line.has_agent or (
                self._stage is not None and self._stage.scenario.agent is not None
            ):
                self._begin_agent()
            others = [x for x in self._endpoints if x.backend not in OWN_KINDS]
            labels = {x.label for x in self._endpoints} - {x.label for x in others}
            await self._assembly.furnish(labels)
            for endpoint in others:
                device = await open_device(machine, endpoint, self._teller.tell)
                servers.callback(device.close)
            await start(machine, self._line, self._teller.tell)
            for endpoint in self._endpoints:
                server = await servers.enter_async_context(self._server(endpoint))
                if self._stage is not None:
                    self._stage.hold_back(server)
            gc.freeze()
            gc.enable()
            self._daemon.ready(keeps_errors=self._line.log_file is not None)
            await self._ended.wait()
            # Who ends this twice, as by a signal after ``quit``, means the same.
            signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
            for monitor in self._monitors:
                monitor.shut_down()
        await self._assembly.close()
        return self._status

    def _begin_agent(self) -> None:
        from qmpx.standin.agent import GuestAgents

        stage = self._stage
        behaviour = None if stage is None else stage.scenario.agent
        agents = GuestAgents(self._assembly.machine, behaviour)
        if stage is not None:
            stage.agents = agents

    def _server(
        self, endpoint: Endpoint
    ) -> "contextlib.AbstractAsyncContextManager[Server]":
        monitor = self._monitor_for(endpoint)
        address = _address(endpoint)
        addresses, human = ([address], []) if endpoint.is_control else ([], [address])
        server = monitor.serve(
            *addresses,
            human=human,
            max_sessions=1,
            backlog=BACKLOG,
            allow_remote=True,
            grace=_GRACE,
        )
        server.label, server.place = endpoint.label, endpoint.place
        listening, connected = endpoint.sockets()
        if listening is not None:
            server.first = connected
        server.is_greeted = endpoint.is_greeted
        if endpoint.is_switched:
            from qmpx.standin.switched_socket import SwitchedSocket

            server.wrap = partial(
                SwitchedSocket, end=self._ended.set, start_anew=partial(_anew, server)
            )
        if endpoint.log is not None:
            if endpoint.is_greeted:
                os.write(endpoint.log, monitor.greeting)
            server.wrap = partial(LoggedSocket, log=endpoint.log)
        return server

    def _monitor_for(self, endpoint: Endpoint) -> "Monitor":
        monitor = self._assembly.monitor
        has_oob = endpoint.backend not in WITHOUT_OOB
        if endpoint.pretty or (endpoint.is_control and not has_oob):
            monitor = self._assembly.new_monitor(pretty=endpoint.pretty)
            if not has_oob:
                monitor.capabilities = ()
                monitor.announce(monitor.version)
            self._hold(monitor)
            self._monitors.append(monitor)
            if self._stage is not None:
                self._stage.plan.attach(monitor)
        if not endpoint.is_control and monitor.human is None:
            from qmpx.dialects.modern.human import table_for_people

            monitor.human = table_for_people()
        return monitor

    def _hold(self, monitor: "Monitor") -> None:
        """Permit what may be done before, or after, the machine is built."""
        leave = self._leave_preconfig if self._line.is_preconfig else None
        hold_commands(monitor, leave)

    def _leave_preconfig(self) -> None:
        try:
            self._assembly.build()
        except StartFailure as failure:
            self._teller.tell(failure.text)
            self._status = failure.status
            self._ended.set()
            raise GenericError(failure.text) from None
        if not self._line.is_paused:
            self._assembly.machine.cont()

    def _note(self, happening: Happening) -> None:
        machine = self._assembly.machine
        match happening:
            case ShutDown(reason=reason) if machine.ends or reason in _OURS:
                if reason == "guest-panic":
                    fails = machine.panic_action is PanicAction.EXIT_FAILURE
                    self._status = int(fails)
                self._ended.set()
            case IncomingMoved(has_come=False, reason=reason):
                self._teller.tell(f"load of migration failed: {reason}")
                self._status = FAILED
                self._ended.set()
            case Exited():  # the watchdog has pulled the plug
                self._ended.set()

    def _end_by_signal(self, number: int) -> None:
        if self._ended.is_set():  # libvirt sends several; the first is enough
            return
        self._teller.tell(f"terminating on signal {number}")
        machine = self._assembly.machine
        if machine.state is RunState.SHUTDOWN:
            machine.tell(ShutDown(by_guest=False, reason="host-signal"))
        else:
            machine.shut_down(reason="host-signal")


def _anew(server: "Server") -> None:
    """Let those who type there begin a line."""
    from qmpx.monitor.human.session import HumanSession

    for session in server.sessions:
        if isinstance(session, HumanSession):
            session.start_anew()


def _address(endpoint: Endpoint) -> ListenAddress:
    """Return the address of an endpoint that is open, or that a listener opens."""
    sock = endpoint.listening or endpoint.connected
    if sock is not None:
        return FdAddress(sock.fileno())
    if endpoint.backend == "stdio":
        return StdioAddress()
    if endpoint.backend == "socket":
        host, port = endpoint.options["host"], endpoint.options["port"]
        return TelnetAddress(TcpAddress(host, int(port)))
    message = f"no monitor is on {endpoint.label}"  # each has a socket by now
    raise ValueError(message)
