"""``qmpx`` as a program: run to its end, or serving in the background."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
QMPX = BIN / "qmpx"
SECONDS = 20.0  # for what takes some tenths

# No colours, no width, no address from the environment of whoever runs the tests.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "QMP_SOCKET")
    and not name.startswith("QMPX_TOKEN")
}


def qmpx(
    *arguments: str | Path, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``qmpx`` to its end, through pipes."""
    return subprocess.run(
        [QMPX, *arguments],
        input=stdin,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@dataclass
class Served:
    """A running ``qmpx serve``.

    Attributes:
        process: The process; a test may signal it.
        paths: The paths of its unix sockets.
        addresses: What it says that it serves, in order.
    """

    process: subprocess.Popen[str]
    paths: list[Path]
    addresses: list[str]

    @property
    def path(self) -> Path:
        """The path of the first unix socket."""
        return self.paths[0]

    @property
    def address(self) -> str:
        """The first unix socket as an address."""
        return f"unix:{self.path}"

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return the exit status and what it still had to say."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait until it has ended; return its exit status and its last words."""
        _, said = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, said


@contextmanager
def serving(*arguments: str, sockets: int = 1) -> Iterator[Served]:
    """Run ``qmpx serve``, on new unix sockets, until the end of the block."""
    # pytest's own tmp_path is too long a name for a socket.
    with tempfile.TemporaryDirectory(prefix="qmpx-") as folder:
        paths = [Path(folder, f"qmp{number}") for number in range(sockets)]
        listen = [word for path in paths for word in ("--qmp", f"unix:{path}")]
        with running("serve", *listen, *arguments) as process:
            assert process.stderr is not None
            more = arguments.count("--qmp") + arguments.count("--hmp")
            lines = [process.stderr.readline() for _ in range(sockets + more)]
            said = [re.fullmatch(r"qmpx: serving (.*)\n", line) for line in lines]
            assert all(said), "".join(lines) + process.stderr.read()
            yield Served(process, paths, [match[1] for match in said if match])


@contextmanager
def sharing(upstream: Path, *arguments: str) -> Iterator[Path]:
    """Run ``qmpx share`` for a monitor until the end of the block; give its socket."""
    path = upstream.with_name(f"{upstream.name}-shared")
    listen = ("--listen", f"unix:{path}")
    with running("share", f"unix:{upstream}", *listen, *arguments) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said == f"qmpx: sharing unix:{upstream} on unix:{path}\n"
        yield path


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``qmpx`` until the end of the block, with a pipe for what it says."""
    with subprocess.Popen(
        [QMPX, *arguments],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(path: Path, text: str) -> str:
    """Wait until a file holds a text, and return all that it holds."""
    deadline = time.monotonic() + SECONDS
    while text not in (held := path.read_text()):
        assert time.monotonic() < deadline, held
        time.sleep(0.01)
    return held
