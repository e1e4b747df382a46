"""A machine that is served to the code under test, in a thread of its own."""

import contextlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from qmpx.errors import LocalProtocolError, QmpxError
from qmpx.machine import Machine, Medium
from qmpx.standin.faults.fault import Fault
from qmpx.standin.faults.scenario import Scenario
from qmpx.standin.stage import Stage
from qmpx.testing.conversation import Conversation

if TYPE_CHECKING:
    from qmpx.client import Client
    from qmpx.monitor.monitor import Monitor
    from qmpx.monitor.thread import ServerThread


class TestClock:
    """The time of a served machine: it passes only when a test says so.

    Args:
        call: Calls a function in the machine's thread.
        stage: Whose time it is.
    """

    __test__ = False  # for pytest: this is no test, whatever it is called

    def __init__(self, call: Callable[..., Any], stage: Stage) -> None:
        self._call = call
        self._stage = stage

    @property
    def elapsed(self) -> float:
        """Seconds since the machine was made."""
        return float(self._call(lambda: self._stage.plan.now))

    @property
    def microseconds(self) -> int:
        """Microseconds since 1970."""
        return int(self._call(self._stage.clock.microseconds))

    def advance(self, seconds: float) -> None:
        """Let time pass, and whatever falls due happen.

        Args:
            seconds: How much.

        Raises:
            LocalProtocolError: The clock is the real one.
        """
        __tracebackhide__ = True  # pytest: what is wrong is the test's own line
        try:
            self._call(self._stage.advance, seconds)
        except LocalProtocolError as error:
            raise error.with_traceback(None) from None


class TestFaults:
    """The faults of a served machine.

    Args:
        call: Calls a function in the machine's thread.
        stage: Whose faults they are.
    """

    __test__ = False

    def __init__(self, call: Callable[..., Any], stage: Stage) -> None:
        self._call = call
        self._stage = stage

    def add(self, kind: str, **description: Any) -> Fault:
        """Add a fault.

        ::

            qmpx_faults.add("reply-late", command="query-block", nth=2, seconds=180)

        Args:
            kind: Its name on the menu.
            description: What the kind takes, and when it sets in. An underscore stands
                for a hyphen, and one behind a keyword is dropped (``class_``).

        Raises:
            FaultError: It is not described as it must be.
        """
        __tracebackhide__ = True
        return self.add_described({"kind": kind, **description})

    def add_described(self, description: Mapping[str, Any]) -> Fault:
        """Add a fault that is described as in a scenario.

        Raises:
            FaultError: It is not described as it must be.
            LocalProtocolError: It cannot be where the machine is one of this process.
        """
        __tracebackhide__ = True
        try:
            fault: Fault = self._call(self._stage.plan.add_described, description)
        except QmpxError as error:
            raise error.with_traceback(None) from None
        return fault

    def remove(self, fault: Fault) -> None:
        """Take a fault away."""
        self._call(self._stage.plan.remove, fault.id)

    def clear(self) -> None:
        """Take all faults away."""
        self._call(self._stage.plan.clear)


class ServedMachine:
    """A machine, its monitor on a unix socket, its time and its faults.

    To be used in ``with``. What touches the machine itself goes through `call`::

        with ServedMachine(name="box") as served:
            with served.connect() as vm:
                vm.execute("query-status")
            served.call(served.machine.suspend)
            served.conversation.assert_commands("query-status")

    Args:
        dialect: ``modern`` or ``2010``.
        clock: ``virtual`` or ``real``.
        name: The machine's name.
        paused: Whether it waits for ``cont``.
        scenario: What goes wrong, and when.
        max_sessions: Clients that are served at once; QEMU has 1.

    Attributes:
        machine: The machine.
        monitor: Its monitor.
        clock: Its time.
        faults: What goes wrong.
        conversation: What was said.
    """

    def __init__(
        self,
        *,
        dialect: str = "modern",
        clock: str = "virtual",
        name: str | None = None,
        paused: bool = False,
        scenario: Scenario | None = None,
        max_sessions: int = 64,
    ) -> None:
        scenario = scenario or Scenario()
        stage = Stage(scenario, clock=scenario.clock or clock)
        self._stage = stage
        self._stack = contextlib.ExitStack()
        self._thread: ServerThread | None = None
        self._folder = ""
        self._max_sessions = max_sessions
        self.machine = _machine(name, stage)
        if not paused:
            self.machine.cont()
        self.monitor = _monitor(self.machine, dialect)
        stage.set(self.machine, self.monitor)
        self.clock = TestClock(self.call, stage)
        self.faults = TestFaults(self.call, stage)
        self.conversation = Conversation(self._entries)

    @property
    def path(self) -> str:
        """The path of its socket."""
        return str(Path(self._folder, "qmp.sock"))

    @property
    def address(self) -> str:
        """Its socket as an address: ``unix:`` and the path."""
        return f"unix:{self.path}"

    def __enter__(self) -> Self:
        # Not pytest's tmp_path: that is too long for a socket's name.
        folder = tempfile.TemporaryDirectory(prefix="qmpx-", ignore_cleanup_errors=True)
        self._folder = self._stack.enter_context(folder)
        self._stack.callback(self.machine.close)
        server = self.monitor.serve_in_thread(
            self.address, grace=0.0, max_sessions=self._max_sessions
        )
        try:
            self._thread = self._stack.enter_context(server)
        except BaseException:
            self._stack.close()
            raise
        self.call(self._stage.plan.start)
        return self

    def __exit__(self, *exception: object) -> None:
        self._thread = None
        self._stack.close()

    def connect(self, **options: Any) -> "Client":
        """Return a blocking client; see `qmpx.connect`."""
        from qmpx.client import connect

        return connect(self.path, **options)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the machine's thread, and return what it returns."""
        if self._thread is None:
            return function(*arguments)
        return self._thread.call(function, *arguments)

    def emit(self, name: str, data: Mapping[str, Any] | None = None) -> None:
        """Send an event to the clients.

        Args:
            name: Its name.
            data: Its data, if it has any.
        """
        self.call(self.monitor.emit, name, data)

    def _entries(self) -> list[Any]:
        return list(self.call(lambda: list(self._stage.conversation)))


def _machine(name: str | None, stage: Stage) -> Machine:
    """Return a machine with a disk and a CD-ROM drive, on the stage's clock."""
    machine = Machine(name, clock=stage.clock)
    machine.drives.add(
        "ide0-hd0",
        id="/machine/unattached/device[10]",
        medium=Medium("disk.img", size=10 * 2**30, node_name="#block100"),
    )
    machine.drives.add(
        "ide1-cd0",
        id="/machine/unattached/device[23]",
        medium=Medium(
            "install.iso", size=700 * 2**20, read_only=True, node_name="#block200"
        ),
        removable=True,
        has_tray=True,
    )
    return machine


def _monitor(machine: Machine, dialect: str) -> "Monitor":
    if dialect == "2010":
        from qmpx.dialects.v2010 import v2010_monitor

        return v2010_monitor(machine)
    from qmpx.dialects.modern import modern_monitor

    return modern_monitor(machine)
