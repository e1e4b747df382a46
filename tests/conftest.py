"""What all tests share: the registry of real peers, and hypothesis's settings.

A test that needs a real program says so with ``@pytest.mark.peer("socat")``. Where the
peer is absent the test is skipped, unless QMPX_REQUIRE_REAL=1: then it fails. The
summary tells which peers took part.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.peers.libvirt import libvirt_version

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# No deadline for one example: on a busy machine it measures the machine.
hypothesis.settings.register_profile(
    "qmpx",
    hypothesis.settings.default,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("qmpx")

# A shell without job control has what it starts in the background ignore interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

CONFORMANCE = Path(__file__).parents[2] / "shared" / "conformance"
VECTORS = Path(__file__).parents[2] / "shared" / "qmp-2010"
SCHEMAS = Path(__file__).parents[2] / "shared" / "qapi"
REQUIRE_REAL = os.environ.get("QMPX_REQUIRE_REAL") == "1"


@dataclass(frozen=True)
class Peer:
    """A program or a body of data that some tests need.

    Args:
        find: Gives its version in words, or None where it is absent.
        absent: What is missing then, for the reason of a skip.
        optional: Never required, whatever QMPX_REQUIRE_REAL says.
    """

    find: Callable[[], str | None]
    absent: str
    optional: bool = False

    @functools.cached_property
    def version(self) -> str | None:
        """Its version in words, looked up once, or None where it is absent."""
        return self.find()


def program(name: str, *version: str) -> Peer:
    """Return the peer that is the command `name`, asked for its version so."""

    def find() -> str | None:
        if shutil.which(name) is None:
            return None
        answer = subprocess.run(
            [name, *version], capture_output=True, text=True, timeout=30, check=True
        )
        lines = answer.stdout.splitlines()
        return next((line for line in lines if " version " in line), lines[0])

    return Peer(find, f"no {name} in PATH")


def qemu_qmp() -> str | None:
    """Return the version of QEMU's own Python client, if it is installed."""
    try:
        return f"qemu.qmp {importlib.metadata.version('qemu.qmp')}"
    except importlib.metadata.PackageNotFoundError:
        return None


def qmp_shell() -> str | None:
    """Return the version of the `qmp-shell` beside this Python, if there is one."""
    shell = Path(sys.executable).with_name("qmp-shell")
    return f"{shell.name} of {qemu_qmp()}" if shell.exists() else None


def vncdotool() -> str | None:
    """Return the version of the `vncdo` beside this Python, if there is one."""
    program = Path(sys.executable).with_name("vncdo")
    if not program.exists():
        return None
    return f"vncdotool {importlib.metadata.version('vncdotool')}"


def conformance() -> str | None:
    """Return how many public cases of the conformance corpus there are, if any."""
    cases = CONFORMANCE / "public.jsonl"
    if not cases.exists():
        return None
    return f"{len(cases.read_bytes().splitlines())} public cases"


def vectors() -> str | None:
    """Return how much was recorded on a QEMU 0.13, if that is at hand."""
    recorded = VECTORS / "vectors.public.json"
    if not recorded.exists():
        return None
    groups = json.loads(recorded.read_text())["groups"]
    steps = sum(len(group["steps"]) for group in groups)
    return f"{steps} recorded steps in {len(groups)} conversations"


def schemas() -> str | None:
    """Return of which releases there are schema files of QEMU's, if of any."""
    found = sorted(path.parts[-3] for path in SCHEMAS.glob("*/qapi/qapi-schema.json"))
    return f"schema files of QEMU {', '.join(found)}" if found else None


PEERS = {
    "qemu": program("qemu-system-x86_64", "--version"),
    "qemu-ga": program("qemu-ga", "--version"),
    "qemu-img": program("qemu-img", "--version"),
    "qemu-io": program("qemu-io", "--version"),
    "qemu-storage-daemon": program("qemu-storage-daemon", "--version"),
    "qemu.qmp": Peer(qemu_qmp, "the package qemu.qmp is not installed"),
    "qmp-shell": Peer(qmp_shell, "no qmp-shell beside this Python"),
    "vncdotool": Peer(vncdotool, "no vncdo beside this Python"),
    "socat": program("socat", "-V"),
    "gdb": program("gdb", "-nx", "-batch", "-ex", r'printf "gdb %d\n", $_gdb_major'),
    "tmux": program("tmux", "-V"),
    "telnet": program("telnet", "--version"),
    "jq": program("jq", "--version"),
    "libvirt": Peer(
        libvirt_version, "no libvirtd and virsh that could be started", optional=True
    ),
    "conformance": Peer(conformance, f"no corpus in {CONFORMANCE}", optional=True),
    "qemu-0.13": Peer(vectors, f"no recordings in {VECTORS}", optional=True),
    "schemas": Peer(schemas, f"no schema files in {SCHEMAS}", optional=True),
}

PRESENT, ABSENT = "peer", "absent peer"
"""What a test's report says of a peer that it needs."""


class Attendance:
    """Counts the peers that tests need, by what their reports say.

    A report reaches whoever sums up, also from another process.
    """

    def __init__(self) -> None:
        self.counted: Counter[tuple[str, object]] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the peers of one test."""
        if report.when == "setup":
            self.counted.update(report.user_properties)

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Say which real peers took part."""
        terminalreporter.section("real peers")
        for name, peer in PEERS.items():
            if peer.version is not None:
                outcome = f"{self.counted[PRESENT, name]} tests with {peer.version}"
            elif REQUIRE_REAL and not peer.optional:
                outcome = f"absent: {self.counted[ABSENT, name]} tests failed"
            else:
                outcome = f"absent: {self.counted[ABSENT, name]} tests skipped"
            terminalreporter.line(f"{name:12} {outcome}")


def peers_of(item: pytest.Item) -> list[str]:
    """Return the names of the peers that a test needs."""
    return [name for mark in item.iter_markers("peer") for name in mark.args]


def pytest_configure(config: pytest.Config) -> None:
    """Start counting."""
    config.pluginmanager.register(Attendance())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real peer, and check that the peers' names are known."""
    for item in items:
        if "qemu" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.peer("qemu"))
        names = peers_of(item)
        if names:
            item.add_marker(pytest.mark.real)
        if unknown := set(names) - PEERS.keys():
            raise pytest.UsageError(f"{item.nodeid} needs unknown peers: {unknown}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test whose peer is absent; count it otherwise."""
    names = sorted(set(peers_of(item)))
    absent = [name for name in names if PEERS[name].version is None]
    kind = ABSENT if absent else PRESENT
    item.user_properties += [(kind, name) for name in absent or names]
    if not absent:
        return
    reason = "; ".join(PEERS[name].absent for name in absent)
    if REQUIRE_REAL and not all(PEERS[name].optional for name in absent):
        pytest.fail(f"QMPX_REQUIRE_REAL=1, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[
    None, pytest.TestReport, pytest.TestReport
]:
    """Let reports be such as can go to another process: without lone surrogates."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode())
        for name, text in report.sections
    ]
    return report
