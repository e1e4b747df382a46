"""Figures of the schema: reading it, compiling it, holding commands against it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmarks.lab import ROOT
from benchmarks.process_rounds import child_cpu_ms
from qmpx.qapi.language import load_schema
from qmpx.qapi.validation import Validator
from qmpx.wire.messages import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.lab import Lab
    from qmpx.qapi.model import Schema

FILES: Final = ROOT.parent / "shared" / "qapi" / "9.2.0-rc2" / "qapi"
MIXED: Final = 1000  # commands
FIGURES: Final = ("parse", "compile", "validate", "bindings")

_IMPORT: Final = (
    "import sys; sys.dont_write_bytecode = False; import qmpx.qapi.bindings.qemu_9_2"
)

# What tools like libvirt send while machines start, run, are backed up and migrate.
COMMANDS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("query-status", {}),
    ("query-block", {}),
    ("query-named-block-nodes", {"flat": True}),
    ("qom-get", {"path": "/machine/peripheral/net0", "property": "mac"}),
    ("qom-list", {"path": "/machine/peripheral"}),
    ("block_resize", {"node-name": "disk0", "size": 2**30}),
    ("balloon", {"value": 2**31}),
    ("set_link", {"name": "net0", "up": False}),
    ("eject", {"id": "ide1-cd0", "force": True}),
    ("send-key", {"keys": [{"type": "qcode", "data": "ctrl"}], "hold-time": 100}),
    (
        "blockdev-add",
        {
            "driver": "qcow2",
            "node-name": "libvirt-1-format",
            "read-only": False,
            "discard": "unmap",
            "cache": {"direct": True, "no-flush": False},
            "file": {
                "driver": "file",
                "filename": "/var/lib/libvirt/images/disk.qcow2",
                "aio": "native",
                "auto-read-only": True,
            },
        },
    ),
    (
        "object-add",
        {
            "qom-type": "memory-backend-ram",
            "id": "mem1",
            "size": 2**32,
            "host-nodes": [0, 1],
            "policy": "bind",
        },
    ),
    (
        "netdev_add",
        {"type": "tap", "id": "hostnet0", "fds": "31:32", "vhost": True, "queues": 2},
    ),
    (
        "chardev-add",
        {
            "id": "charserial0",
            "backend": {
                "type": "socket",
                "data": {
                    "addr": {"type": "unix", "data": {"path": "/run/vm/serial0"}},
                    "server": True,
                    "wait": False,
                },
            },
        },
    ),
    (
        "blockdev-mirror",
        {
            "job-id": "drive-virtio-disk0",
            "device": "libvirt-1-format",
            "target": "libvirt-2-format",
            "sync": "top",
            "granularity": 65536,
            "auto-finalize": True,
        },
    ),
    (
        "transaction",
        {
            "actions": [
                {
                    "type": "block-dirty-bitmap-add",
                    "data": {"node": "disk0", "name": "backup", "granularity": 65536},
                },
                {
                    "type": "blockdev-backup",
                    "data": {"device": "disk0", "target": "nbd0", "sync": "full"},
                },
            ]
        },
    ),
    (
        "migrate-set-parameters",
        {"max-bandwidth": 2**30, "downtime-limit": 300, "multifd-channels": 4},
    ),
    (
        "migrate-set-capabilities",
        {
            "capabilities": [
                {"capability": "events", "state": True},
                {"capability": "postcopy-ram", "state": False},
            ]
        },
    ),
)


def measure_schema(lab: Lab) -> None:
    """Take the CPU time of what is done with a schema, in this process."""
    if not any(lab.wants(f"schema.{name}.cpu") for name in FIGURES):
        return
    if not FILES.exists():
        lab.samples.remark(f"schema: no schema files in {FILES}")
        return
    lab.note("the schema")
    path = FILES / "qapi-schema.json"
    schema = load_schema(path)
    texts = [
        msgspec.json.encode({"execute": name, "arguments": arguments, "id": number})
        for number in range(MIXED)
        for name, arguments in (COMMANDS[number % len(COMMANDS)],)
    ]
    validator = Validator(schema)
    home = str(lab.scratch)
    # Compiled once, as for any installed package, whatever the environment says.
    imports = [sys.executable, "-X", f"pycache_prefix={home}", "-c", _IMPORT]
    child_cpu_ms(imports, "", home)
    plain, checked = _plainly(texts), _checked(validator, texts)
    for _ in range(2 * lab.rounds):
        lab.samples.add("schema.parse.cpu", "qmpx", _ms(lambda: load_schema(path)))
        lab.samples.add("schema.compile.cpu", "qmpx", _ms(lambda: _compile(schema)))
        # The least of several: what is measured is shorter than an interruption.
        lab.samples.add("schema.validate.cpu", "msgspec", _least(plain))
        lab.samples.add("schema.validate.cpu", "qmpx", _least(checked))
        lab.samples.add("schema.bindings.cpu", "qmpx", child_cpu_ms(imports, "", home))


def _ms(work: Callable[[], object]) -> float:
    before = time.process_time_ns()
    work()
    return (time.process_time_ns() - before) / 1e6


def _least(work: Callable[[], object]) -> float:
    return min(_ms(work) for _ in range(20))


def _compile(schema: Schema) -> None:
    """Make the decoders of all commands, as a server would that is asked for all."""
    validator = Validator(schema)
    for name in schema.commands:
        validator.prepare(name)


class _Decoded(msgspec.Struct):
    execute: str
    arguments: Any = None
    id: Any = None


def _plainly(texts: list[bytes]) -> Callable[[], None]:
    """Return what decodes commands with their arguments, and looks no further."""
    decode = msgspec.json.Decoder(_Decoded).decode

    def run() -> None:
        for text in texts:
            decode(text)

    return run


def _checked(validator: Validator, texts: list[bytes]) -> Callable[[], None]:
    """Return what decodes commands as a server does, and validates them."""
    decode = msgspec.json.Decoder(Command).decode
    check = validator.check_command

    def run() -> None:
        for text in texts:
            command = decode(text)
            check(command.execute, command.arguments)  # type: ignore[arg-type]

    return run
