"""Memory and balloon, as QEMU 7.2 shows them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.dialects.modern import modern_monitor
from qmpx.machine import Machine
from qmpx.machine.balloon import Accelerator
from qmpx.machine.guest import Guest
from qmpx.machine.registers import CR0_PE, CR0_PG
from tests.loops import run_on, short_directory

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dialects.conftest import Box

MIB = 2**20
NO_BALLOON = ("DeviceNotActive", "No balloon device has been activated")
NO_SIZE = ("GenericError", "Parameter 'target' expects a size")


@pytest.mark.parametrize("name", ["memsave", "pmemsave"])
def test_memory_is_saved(box: Box, name: str, tmp_path: Path) -> None:
    file = tmp_path / "memory"
    box.do(lambda: box.machine.memory.write(0xFFC, b"written"))
    assert box.run(name, val=0xFFA, size=12, filename=str(file)) == {}
    assert file.read_bytes() == b"\x00\x00written\x00\x00\x00"


@pytest.mark.parametrize("name", ["memsave", "pmemsave"])
def test_nothing_is_saved_as_an_empty_file(box: Box, name: str, tmp_path: Path) -> None:
    file = tmp_path / "memory"
    assert box.run(name, val=0, size=0, filename=str(file)) == {}
    assert file.read_bytes() == b""


def test_a_negative_address_is_one_of_the_last(box: Box, tmp_path: Path) -> None:
    file = tmp_path / "memory"
    box.do(lambda: box.machine.memory.write(0, b"written"))
    assert box.run("pmemsave", val=-4, size=8, filename=str(file)) == {}
    assert file.read_bytes() == bytes(8)


def test_pages_are_saved_in_the_order_of_their_addresses(
    box: Box, tmp_path: Path
) -> None:
    def page() -> None:
        memory, registers = box.machine.memory, box.machine.processors[0].registers
        for address, entry in (
            (0x10000, 0x11001),
            (0x11004, 0x5001),
            (0x11008, 0x3001),
        ):
            memory.write(address, entry.to_bytes(4, "little"))
        memory.write(0x5FFC, b"here")
        memory.write(0x3000, b"and there")
        registers.cr0 |= CR0_PE | CR0_PG
        registers.cr3 = 0x10000

    box.do(page)
    file = tmp_path / "memory"
    assert box.run("memsave", val=0x1FFC, size=13, filename=str(file)) == {}
    assert file.read_bytes() == b"hereand there"


@pytest.mark.parametrize("name", ["memsave", "pmemsave"])
@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (
            {"filename": "/nonexistent/m"},
            "Could not open '/nonexistent/m': No such file or directory",
        ),
        ({"filename": "a\0b"}, "Could not open 'a\0b': embedded null byte"),
        ({"filename": "/dev/full"}, "An IO error has occurred"),
        ({"size": -1}, "Parameter 'size' expects a size"),
        ({"size": (1 << 63) - 1}, "An IO error has occurred"),
    ],
)
def test_what_cannot_be_saved(
    box: Box, name: str, arguments: dict[str, Any], refusal: str, tmp_path: Path
) -> None:
    given = {"val": 0, "size": 16, "filename": str(tmp_path / "m"), **arguments}
    assert box.refusal(name, **given) == ("GenericError", refusal)


@pytest.mark.parametrize("index", [-1, 1])
def test_memory_is_that_of_a_processor(box: Box, index: int, tmp_path: Path) -> None:
    given = {"val": 0, "size": 16, "filename": str(tmp_path / "m")}
    assert box.run("memsave", cpu_index=0, **given) == {}
    assert box.refusal("memsave", cpu_index=index, **given) == (
        "GenericError",
        "Parameter 'cpu-index' expects a CPU number",
    )


def test_memory_that_is_not_mapped_is_refused(box: Box, tmp_path: Path) -> None:
    def switch_paging_on() -> None:
        box.machine.processors[0].registers.cr0 |= CR0_PE | CR0_PG

    box.do(switch_paging_on)
    given = {"val": 0x1234, "size": 16, "filename": str(tmp_path / "m")}
    assert box.refusal("memsave", **given) == (
        "GenericError",
        "Invalid addr 0x0000000000001234/size 16 specified",
    )
    assert box.run("pmemsave", **given) == {}


def test_the_size_of_memory_is_told(box: Box) -> None:
    summary = {"base-memory": 128 * MIB, "plugged-memory": 0}
    assert box.run("query-memory-size-summary") == summary


def test_without_its_device_there_is_no_balloon(box: Box) -> None:
    assert box.refusal("balloon", value=1) == NO_BALLOON
    assert box.refusal("balloon", value=0) == NO_BALLOON
    assert box.refusal("query-balloon") == NO_BALLOON
    assert box.refusal("balloon") == ("GenericError", "Parameter 'value' is missing")


def test_kvm_has_to_notice(box: Box) -> None:
    accelerator = Accelerator(is_enabled=True, has_synchronous_mmu=False)
    box.machine.accelerator = accelerator
    text = "Using KVM without synchronous MMU, balloon unavailable"
    assert box.refusal("balloon", value=1) == ("KVMMissingCap", text)
    assert box.refusal("query-balloon") == ("KVMMissingCap", text)


def test_a_guest_gives_memory_back_and_that_is_told(box: Box) -> None:
    class Prompt(Guest):
        def asked_for_memory(self, target: int) -> None:
            box.machine.balloon.settle(target)

    def prepare() -> None:
        box.machine.devices.add({"driver": "virtio-balloon-pci"})
        box.machine.guest = Prompt()

    box.do(prepare)
    box.events()
    assert box.run("balloon", value=64 * MIB) == {}
    assert box.events() == [("BALLOON_CHANGE", {"actual": 64 * MIB})]
    assert box.run("query-balloon") == {"actual": 64 * MIB}
    for value in (0, -1):
        assert box.refusal("balloon", value=value) == NO_SIZE
    assert box.run("balloon", value=1) == {}
    assert box.machine.balloon.target == 4096


def test_by_execute_async_the_reply_comes_when_the_guest_is_done() -> None:
    machine = Machine()
    machine.devices.add({"driver": "virtio-balloon-pci"})
    commands: list[dict[str, Any]] = [
        {"execute": "qmp_capabilities", "arguments": {"enable": ["async"]}},
        {"execute_async": "balloon", "arguments": {"value": 64 * MIB}, "id": "slow"},
        {"execute": "query-balloon", "id": "quick"},
    ]

    async def main() -> list[Any]:
        with short_directory() as directory:
            async with modern_monitor(machine).serve(directory / "qmp"):
                reader, writer = await asyncio.open_unix_connection(f"{directory}/qmp")
                for command in commands:
                    writer.write(json.dumps(command).encode())
                said = [json.loads(await reader.readline()) for _ in range(3)]
                machine.balloon.settle(64 * MIB)
                said += [json.loads(await reader.readline()) for _ in range(2)]
                writer.close()
                await writer.wait_closed()
        return said[2:]

    quick, changed, done = run_on("asyncio", main())
    assert quick == {"return": {"actual": 128 * MIB}, "id": "quick"}
    assert (changed["event"], changed["data"]) == (
        "BALLOON_CHANGE",
        {"actual": 64 * MIB},
    )
    assert done == {"return": {}, "id": "slow"}
