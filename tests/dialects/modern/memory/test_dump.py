"""Dumps of memory: what is in the file, and what is told."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine
from tests.dialects.conftest import boxed

if TYPE_CHECKING:
    from pathlib import Path


def loads(core: bytes) -> list[tuple[int, int, int]]:
    """Return offset, address and length of the parts of a core file."""
    (at,) = struct.unpack_from("<Q", core, 32)
    size, count = struct.unpack_from("<HH", core, 54)
    parts = [struct.unpack_from("<IIQQQQ", core, at + size * n) for n in range(count)]
    return [(part[2], part[4], part[5]) for part in parts if part[0] == 1]


def test_the_file_holds_the_memory(tmp_path: Path) -> None:
    machine = Machine(memory_size=2**20)
    machine.memory.write(0x5000, b"found me")
    path = tmp_path / "core"
    with boxed(machine) as box:
        box.run("dump-guest-memory", paging=False, protocol=f"file:{path}")
        core = path.read_bytes()
        parts = loads(core)
        assert [part[1:] for part in parts] == [(0, 2**20), (2**32 - 2**18, 2**18)]
        offset = parts[0][0]
        assert core[offset + 0x5000 :][:8] == b"found me"
        assert core.endswith(b"\0.shstrtab\0")
        total = 2**20 + 2**18
        done = {"status": "completed", "completed": total, "total": total}
        assert box.run("query-dump") == done
        assert box.events() == [("DUMP_COMPLETED", {"result": done})]


def test_a_file_that_is_full_is_told_of() -> None:
    with boxed(Machine(memory_size=2**20)) as box:
        arguments: dict[str, Any] = {"paging": False, "protocol": "file:/dev/full"}
        told = box.refusal("dump-guest-memory", **arguments)
        error = "dump: failed to save memory: No space left on device"
        assert told == ("GenericError", error)
        ((name, data),) = box.events()
        assert (name, data["error"]) == ("DUMP_COMPLETED", error)
        assert data["result"]["status"] == "failed"


@pytest.mark.parametrize("format_", ["kdump-zlib", "kdump-lzo", "win-dmp"])
def test_other_formats_are_refused(format_: str) -> None:
    with boxed(Machine()) as box:
        arguments = {"paging": False, "protocol": "file:/dev/null", "format": format_}
        error = f"{format_} is not available now"
        assert box.refusal("dump-guest-memory", **arguments) == ("GenericError", error)
        assert box.run("query-dump-guest-memory-capability") == {"formats": ["elf"]}
