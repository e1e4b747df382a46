"""What the stand-in says is as QEMU 7.2's schema has it: typed clients rely on it."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from qmpx.qapi.shipped import shipped_schema
from qmpx.qapi.validation import Validator
from qmpx.testing.process import StandIn
from tests.programs import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

MACHINE: Final = (
    *(
        "-accel",
        "tcg",
        "-M",
        "pc",
        "-m",
        "128,slots=4,maxmem=1G",
        "-smp",
        "2,maxcpus=4",
    ),
    *("-display", "none", "-name", "fit", "-vnc", "none"),
)
MEBIBYTE: Final = 1 << 20

Step = tuple[str, dict[str, Any]]


class Schemed:
    """A conversation, each message of which is held against the schema."""

    def __init__(self, path: str) -> None:
        self.schema = shipped_schema("7.2")
        self.validator = Validator(self.schema)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rb")
        self._lines.readline()
        self.answered: set[str] = set()
        self.refused: dict[str, str] = {}
        self.events: set[str] = set()
        self._untold: list[tuple[str, dict[str, Any]]] = []
        self.run("qmp_capabilities", {})

    def read(self) -> dict[str, msgspec.Raw]:
        """Return the next message; events are held against the schema."""
        line = self._lines.readline()
        message = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        if "event" in message:
            name = json.loads(bytes(message["event"]))
            self.validator.check_event(name, message.get("data", msgspec.UNSET))
            self.events.add(name)
            told = json.loads(bytes(message.get("data", b"{}")))
            self._untold.append((name, told))
        return message

    def run(self, name: str, arguments: dict[str, Any], fd: int | None = None) -> Any:
        """Send a command; return what it returned, or its error's text."""
        text = json.dumps({"execute": name, "arguments": arguments}).encode()
        if fd is None:
            self._socket.sendall(text)
        else:
            socket.send_fds(self._socket, [text], [fd])
        message = self.read()
        while "event" in message:
            message = self.read()
        if "error" in message:
            desc = str(json.loads(bytes(message["error"]))["desc"])
            self.refused[name] = desc
            return desc
        self.validator.check_return(name, message["return"])
        self.answered.add(name)
        return json.loads(bytes(message["return"]))

    def until(self, name: str, **data: Any) -> None:
        """Read until an event with these data has come, since the last that was."""
        while True:
            while self._untold:
                event, told = self._untold.pop(0)
                if event == name and data.items() <= told.items():
                    return
            self.read()

    def close(self) -> None:
        """End it."""
        self._lines.close()
        self._socket.close()


@pytest.fixture
def done(talk: Schemed) -> Iterator[None]:
    """Make sure that nothing that a test asks for is refused."""
    talk.refused.clear()
    yield
    assert talk.refused == {}


@pytest.fixture(scope="module")
def talk() -> Iterator[Schemed]:
    """Talk with a machine that all tests here share."""
    with StandIn(MACHINE) as standin:
        standin.connect().close()
        conversation = Schemed(standin.path)
        yield conversation
        conversation.close()


def test_all_questions(talk: Schemed) -> None:
    for name, command in talk.schema.commands.items():
        members = talk.schema.members_of(command.arguments)
        if "query-" in name and all(member.optional for member in members):
            talk.run(name, {})
    silent = {
        name
        for name in talk.refused
        if "not been found" not in talk.refused[name] and name.startswith("query-")
    }
    # As in QEMU: there is no balloon, no SEV and no SGX, no replication, ...
    assert silent <= {
        *("query-balloon", "query-sev", "query-sev-capabilities", "query-replay"),
        *("query-sev-launch-measure", "query-sgx", "query-sgx-capabilities"),
        *("query-vm-generation-id", "query-vcpu-dirty-limit", "query-colo-status"),
        *("query-xen-replication-status", "query-hotpluggable-cpus"),
    }


def file_node(name: str, path: Path, size: int = MEBIBYTE) -> Step:
    """Return the step that opens a new image file as a node."""
    with path.open("wb") as file:
        file.truncate(size)
    return "blockdev-add", {
        "node-name": name,
        "driver": "file",
        "filename": str(path),
    }


@pytest.mark.usefixtures("done")
def test_block_nodes_and_their_jobs(talk: Schemed, tmp_path: Path) -> None:
    for name in ("one", "two"):
        talk.run(*file_node(name, tmp_path / name, size=4 * MEBIBYTE))  # in pieces
    talk.run("block-dirty-bitmap-add", {"node": "one", "name": "b"})
    device = {"driver": "virtio-blk-pci", "drive": "one", "id": "vb"}
    talk.run("device_add", device)
    copy = {"device": "one", "target": "two", "sync": "full"}
    kept = {"auto-dismiss": False, "auto-finalize": False}
    talk.run("blockdev-backup", {**copy, **kept, "job-id": "b"})
    talk.until("BLOCK_JOB_PENDING")
    talk.run("query-jobs", {})
    talk.run("query-block-jobs", {})
    talk.run("job-finalize", {"id": "b"})
    talk.until("BLOCK_JOB_COMPLETED")
    talk.run("job-dismiss", {"id": "b"})
    talk.run("blockdev-mirror", {**copy, "job-id": "m"})
    talk.until("BLOCK_JOB_READY")
    talk.run("query-block-jobs", {})
    talk.run("query-named-block-nodes", {})
    talk.run("query-block", {})
    talk.run("query-blockstats", {"query-nodes": True})
    talk.run("block-job-complete", {"device": "m"})
    talk.until("JOB_STATUS_CHANGE", status="null")
    talk.run(
        "blockdev-backup",
        {**copy, "device": "two", "target": "one", "speed": 1, "job-id": "c"},
    )
    talk.run("block-job-cancel", {"device": "c"})
    options = {"driver": "file", "filename": str(tmp_path / "made"), "size": 512}
    talk.run("blockdev-create", {"job-id": "n", "options": options})
    talk.until("JOB_STATUS_CHANGE", status="concluded")
    talk.run("query-jobs", {})
    talk.run("x-debug-query-block-graph", {})
    assert {"BLOCK_JOB_CANCELLED", "BLOCK_JOB_READY"} <= talk.events


@pytest.mark.usefixtures("done")
def test_devices_objects_and_descriptors(talk: Schemed, tmp_path: Path) -> None:
    talk.run("device_add", {"driver": "virtio-serial-pci", "id": "vs"})
    port = {"driver": "virtserialport", "id": "p", "name": "a"}
    talk.run("device_add", port)
    talk.run("device_del", {"id": "p"})
    talk.until("DEVICE_DELETED", device="p")
    talk.run("device_add", {"driver": "virtio-balloon-pci", "id": "bal"})
    talk.run("query-balloon", {})
    memory = {"qom-type": "memory-backend-ram", "id": "m1", "size": 128 * MEBIBYTE}
    talk.run("object-add", memory)
    talk.run("device_add", {"driver": "pc-dimm", "id": "dimm", "memdev": "m1"})
    talk.run("object-add", {"qom-type": "iothread", "id": "io"})
    processor = {"socket-id": 0, "core-id": 2, "thread-id": 0}
    driver = {"driver": "qemu64-x86_64-cpu", "id": "cpu2"}
    talk.run("device_add", {**driver, **processor})
    talk.run("netdev_add", {"type": "user", "id": "n0"})
    talk.run("device_add", {"driver": "virtio-net-pci", "netdev": "n0", "id": "net"})
    ring = {"type": "ringbuf", "data": {"size": 4096}}
    talk.run("chardev-add", {"id": "r", "backend": ring})
    talk.run("ringbuf-write", {"device": "r", "data": "x"})
    talk.run("ringbuf-read", {"device": "r", "size": 9})
    fd = os.open(tmp_path / "passed", os.O_RDWR | os.O_CREAT)
    talk.run("add-fd", {}, fd)
    talk.run("getfd", {"fdname": "f"}, fd)
    os.close(fd)
    for name in (
        *("memory-devices", "hotpluggable-cpus", "cpus-fast", "iothreads", "memdev"),
        *("chardev", "rx-filter", "fdsets", "pci", "mice", "memory-size-summary"),
    ):
        talk.run(f"query-{name}", {})
        assert f"query-{name}" in talk.answered
    talk.run("qom-list", {"path": "/machine"})
    talk.run("qom-list-types", {})
    talk.run("device-list-properties", {"typename": "e1000"})
    talk.run("qom-list-properties", {"typename": "e1000"})
    talk.run("query-cpu-model-expansion", {"type": "full", "model": {"name": "max"}})
    talk.run("x-query-virtio", {})
    talk.run("query-stats", {"target": "vm"})
    talk.run("query-stats-schemas", {})


@pytest.mark.usefixtures("done")
def test_run_states_and_migration(talk: Schemed, tmp_path: Path) -> None:
    for name in ("stop", "cont", "system_reset", "system_powerdown"):
        talk.run(name, {})
    talk.run("human-monitor-command", {"command-line": "info status"})
    talk.run("dump-guest-memory", {"paging": False, "protocol": f"file:{tmp_path}/c"})
    talk.run("query-dump", {})
    talk.run("calc-dirty-rate", {"calc-time": 1})
    talk.run("query-dirty-rate", {})
    talk.run("blockdev-open-tray", {"device": "ide1-cd0"})
    events = [{"capability": "events", "state": True}]
    talk.run("migrate-set-capabilities", {"capabilities": events})
    talk.run("migrate", {"uri": f"exec:cat > {tmp_path}/state"})
    talk.run("query-migrate", {})
    talk.until("MIGRATION", status="completed")
    talk.run("query-migrate", {})
    talk.run("query-migrate-parameters", {})
    talk.run("query-yank", {})
    assert talk.events >= {
        *("STOP", "RESUME", "RESET", "POWERDOWN", "DUMP_COMPLETED", "MIGRATION"),
        *("DEVICE_TRAY_MOVED", "MIGRATION_PASS"),
    }
