"""The stand-in as a process: what a program that starts a QEMU starts instead."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from qmpx.client import Client

WAIT: Final = 20.0
"""Seconds to wait for a stand-in's sockets; a loaded host may need some."""

ENDING: Final = 5.0
"""Seconds that it has for its end, once it was asked; then it is killed."""


def command() -> list[str]:
    """Return the command that stands in for ``qemu-system-x86_64``."""
    beside = Path(sys.executable).with_name("qmpx-system-x86_64")
    if beside.exists():
        return [str(beside)]
    start = "import sys; from qmpx.standin.program import main; sys.exit(main())"
    return [sys.executable, "-c", start]


class StandIn:
    """A running stand-in, with a QMP socket and a control monitor.

    To be used in ``with``::

        with StandIn(["-machine", "q35", "-S"], {"clock": "virtual"}) as standin:
            with standin.connect() as vm:
                vm.execute("cont")
                standin.advance(60)

    Args:
        arguments: Options of QEMU, beside the QMP socket.
        options: The stand-in's own: ``scenario`` (a path), ``clock`` (``real`` or
            ``virtual``), ``profile`` (a path), ``guest``. What has no value,
            ``--guest-agent``, goes with the arguments.
        environment: Variables beside those of this process.

    Attributes:
        process: The process, once it runs.
        path: The path of its QMP socket.
        control_path: The path of the control monitor's.
    """

    def __init__(
        self,
        arguments: Sequence[str] = (),
        options: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._arguments = list(arguments)
        self._options = dict(options or {})
        self._environment = dict(environment or {})
        self._stack = contextlib.ExitStack()
        self.process: subprocess.Popen[str] | None = None
        self.path = ""
        self.control_path = ""

    @property
    def address(self) -> str:
        """Its QMP socket as an address."""
        return f"unix:{self.path}"

    def __enter__(self) -> Self:
        folder = tempfile.TemporaryDirectory(prefix="qmpx-", ignore_cleanup_errors=True)
        where = Path(self._stack.enter_context(folder))
        self.path = str(where / "qmp.sock")
        self.control_path = str(where / "control.sock")
        own = [word for x, y in self._options.items() for word in (f"--{x}", y)]
        self.process = subprocess.Popen(  # noqa: S603 - what the test asked for
            [
                *command(),
                *own,
                *("--control", f"unix:{self.control_path}"),
                *("-qmp", f"unix:{self.path},server=on,wait=off"),
                *self._arguments,
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | self._environment,
            text=True,
        )
        return self

    def __exit__(self, *exception: object) -> None:
        process = self.process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
        if process is not None:
            process.communicate()
        self._stack.close()

    def connect(self, **options: Any) -> "Client":
        """Return a blocking client of the machine, once it can be reached."""
        return self._connect(self.path, options)

    def control(self, **options: Any) -> "Client":
        """Return a blocking client of the control monitor."""
        return self._connect(self.control_path, options)

    def _connect(self, path: str, options: dict[str, Any]) -> "Client":
        from qmpx.client import connect

        options.setdefault("wait", WAIT)
        return connect(path, alive=self._is_alive, **options)

    def _is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def advance(self, seconds: float) -> None:
        """Let virtual time pass.

        Args:
            seconds: How much.

        Raises:
            CommandError: The clock is the real one.
        """
        with self.control() as control:
            control.execute("x-qmpx-clock-advance", seconds=seconds)

    def add_fault(self, kind: str, **description: Any) -> int:
        """Add a fault, and return its number.

        Args:
            kind: Its name on the menu.
            description: What the kind takes, and when it sets in, as for
                `TestFaults.add`.

        Raises:
            CommandError: It is not described as it must be.
        """
        fault = {x.rstrip("_").replace("_", "-"): y for x, y in description.items()}
        with self.control() as control:
            added = control.execute("x-qmpx-fault-add", fault={"kind": kind, **fault})
        return int(added["id"])

    def ended(self, timeout: float = WAIT) -> tuple[int, str]:
        """Wait for its end; return its exit status and what it said on stderr.

        Args:
            timeout: Seconds.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        if self.process is None:
            return 0, ""
        _, said = self.process.communicate(timeout=timeout)
        return self.process.returncode, said


MakeStandIn = Callable[..., StandIn]
"""What the fixture ``qmpx_standin`` gives."""
