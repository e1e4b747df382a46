"""What a run works with: its options, its scratch directory, its programs.

The lab finds or builds the anchors: QEMU, the responder and the load generator in C,
``qemu.qmp``.  What is missing is remarked on and its figures are left out.
"""

from __future__ import annotations

import fnmatch
import importlib.metadata
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Samples

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
_HERE: Final = Path(__file__).resolve().parent


@dataclass
class Lab:
    """One run of the benchmarks.

    Attributes:
        scratch: Directory for sockets, programs and files, gone after the run.
        rounds: How often each figure is taken.
        only: Patterns of benchmarks to run; none means all.
        quick: Whether to do a quarter of the work.
        compiler: The C compiler, or "".
        qemu: The system emulator, or "".
        peer: Whether ``qemu.qmp`` can be imported.
        samples: The figures.
        free: Whether the system decides on which core a process runs.
    """

    scratch: Path
    rounds: int = 5
    only: tuple[str, ...] = ()
    quick: bool = False
    compiler: str = ""
    qemu: str = ""
    peer: bool = False
    samples: Samples = field(default_factory=Samples)
    free: bool = False

    @property
    def responder(self) -> list[str]:
        """Return the command of the fixed responder, in C if that can be."""
        if self.compiler:
            return [str(self.scratch / "responder")]
        return [sys.executable, "-m", "benchmarks.responder"]

    @property
    def load(self) -> list[str]:
        """Return the command of the load generator, in C if that can be."""
        if self.compiler:
            return [str(self.scratch / "load")]
        return [sys.executable, "-m", "benchmarks.pyload"]

    @property
    def schema(self) -> Path:
        """Return the file with the value that ``query-qmp-schema`` returns."""
        return self.scratch / "schema.json"

    def wants(self, name: str) -> bool:
        """Tell whether the benchmark *name* is to be run."""
        return not self.only or any(
            pattern in name or fnmatch.fnmatch(name, pattern) for pattern in self.only
        )

    def scale(self, count: int, least: int = 1) -> int:
        """Return *count*, or a quarter of it in a quick run."""
        return max(least, count // 4) if self.quick else count

    @contextmanager
    def one_core(self, *, wanted: bool = True) -> Iterator[None]:
        """Keep this process, and the children it makes in the block, on one core.

        Two processes that take turns then never wake an idle core. On a virtual
        machine that wake-up costs more, and varies more, than what is measured.

        Args:
            wanted: Whether to do so at all.
        """
        cores = os.sched_getaffinity(0)
        if wanted and not self.free:
            os.sched_setaffinity(0, {max(cores)})
        try:
            yield
        finally:
            os.sched_setaffinity(0, cores)

    def note(self, text: str) -> None:
        """Tell whoever waits how far the run has come."""
        print(f"  {text}", file=sys.stderr, flush=True)


@contextmanager
def open_lab(
    rounds: int, only: tuple[str, ...] = (), *, quick: bool = False
) -> Iterator[Lab]:
    """Make a lab with all that this machine has; clear it away in the end."""
    _raise_limit()
    with tempfile.TemporaryDirectory(prefix="qmpx-bench-") as directory:
        lab = Lab(Path(directory), rounds, only, quick)
        lab.compiler = shutil.which("cc") or shutil.which("gcc") or ""
        if not (lab.compiler and _build(lab)):
            lab.compiler = ""
            lab.samples.remark(
                "no C compiler: no bare responder, no crowds; load comes from Python"
            )
        lab.qemu = shutil.which("qemu-system-x86_64") or ""
        if not lab.qemu:
            lab.samples.remark("no qemu-system-x86_64: nothing is held against it")
        try:
            importlib.metadata.version("qemu.qmp")
            lab.peer = True
        except importlib.metadata.PackageNotFoundError:
            lab.samples.remark("no qemu.qmp: nothing is held against it")
        lab.schema.write_bytes(_synthetic_schema())
        yield lab


def _build(lab: Lab) -> bool:
    for name in ("responder", "load"):
        source, program = str(_HERE / f"{name}.c"), str(lab.scratch / name)
        made = subprocess.run(
            [lab.compiler, "-O2", "-std=gnu11", "-o", program, source],
            check=False,
            timeout=120,
        )
        if made.returncode:
            return False
    return True


def _raise_limit() -> None:
    """Let this process and its children open as many files as they may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _synthetic_schema() -> bytes:
    """Return a document of the size and shape of QEMU's own schema."""
    member = {"name": "device", "default": None, "type": "str"}
    entry = {"name": "0", "members": [member] * 3, "meta-type": "object"}
    return json.dumps([{**entry, "name": str(i)} for i in range(1000)]).encode()


def keep_schema(lab: Lab, address: Path) -> None:
    """Ask the QEMU at *address* for its schema, for all servers to return."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(str(address))
        with sock.makefile("rwb") as stream:
            stream.readline()
            for name in (b"qmp_capabilities", b"query-qmp-schema"):
                stream.write(b'{"execute":"' + name + b'"}\n')
                stream.flush()
                reply = json.loads(stream.readline())
    lab.schema.write_text(json.dumps(reply["return"]))


def environment() -> dict[str, str]:
    """Return the environment of a child: ours, with the project's root to import.

    Bytecode is kept, as where a package is installed: nothing is to be compiled again.
    """
    path = os.environ.get("PYTHONPATH", "")
    made = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{path}".rstrip(os.pathsep)}
    made.pop("PYTHONDONTWRITEBYTECODE", None)
    return made
