"""Each of the 40 commands of 2010: that it works, and each error that it has.

One machine has what all of them need. A row is what somebody sends and what comes back:
``{}`` or a type for what is returned, an error with its data otherwise.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qmpx.dialects.v2010 import v2010_monitor
from qmpx.dialects.v2010.assembly import assemble
from qmpx.dialects.v2010.options import parse_options
from qmpx.errors import CommandError
from qmpx.machine import Machine
from qmpx.machine.balloon import Accelerator
from qmpx.machine.block.qcow2_header import new_image
from tests.conftest import VECTORS
from tests.loops import run_on

Prepare = Callable[[Machine], None]

OPTIONS = (
    "-S -m 16 -smp 2 -name n -uuid 550e8400-e29b-41d4-a716-446655440000 -usb "
    "-hda hd.img -cdrom cd.iso -drive if=none,id=spare,file=spare.img "
    "-device lsi,id=s0 -balloon virtio -net nic,model=e1000 -net user "
    "-netdev user,id=nd0 -device virtio-net-pci,netdev=nd0,id=vn0 -vnc none "
    "-usbdevice tablet -device usb-mouse,id=m0"
)


def lock(machine: Machine) -> None:
    machine.drives["ide1-cd0"].is_locked = True


def without_balloon(machine: Machine) -> None:
    for device in list(machine.devices):
        if device.model.name == "virtio-balloon-pci":
            machine.devices.destroy(device)


def without_synchronous_mmu(machine: Machine) -> None:
    machine.accelerator = Accelerator(is_enabled=True, has_synchronous_mmu=False)


def without_display(machine: Machine) -> None:
    machine.display.vnc.is_offered = False


def awaiting(machine: Machine) -> None:
    machine.migration.is_expected = True


def with_key_missing(machine: Machine) -> None:
    machine.drives["ide1-cd0"].open_file("enc.qcow2")


WORKS: list[tuple[str, dict[str, Any], Any]] = [
    ("quit", {}, {}),
    ("eject", {"device": "ide1-cd0"}, {}),
    ("change", {"device": "ide1-cd0", "target": "cd2.iso"}, {}),
    ("screendump", {"filename": "screen.ppm"}, {}),
    ("stop", {}, {}),
    ("cont", {}, {}),
    ("system_reset", {}, {}),
    ("system_powerdown", {}, {}),
    ("device_add", {"driver": "e1000", "id": "n1"}, {}),
    ("device_del", {"id": "m0"}, {}),
    ("cpu", {"index": 1}, {}),
    ("memsave", {"val": 0, "size": 16, "filename": "mem"}, {}),
    ("pmemsave", {"val": 0, "size": 16, "filename": "mem"}, {}),
    ("migrate", {"uri": "exec:cat > moved"}, {}),
    ("migrate_cancel", {}, {}),
    ("migrate_set_speed", {"value": 1.5e6}, {}),
    ("migrate_set_downtime", {"value": 0.1}, {}),
    ("netdev_add", {"type": "user", "id": "nd1"}, {}),
    ("netdev_del", {"id": "nd0"}, {}),
    ("balloon", {"value": 8 << 20}, {}),
    ("set_link", {"name": "vn0", "up": False}, {}),
    ("getfd", {"fdname": "x"}, {}),
    ("closefd", {"fdname": "kept"}, {}),
    ("block_passwd", {"device": "ide1-cd0", "password": "p"}, {}),
    ("query-version", {}, {"qemu": dict, "package": str}),
    ("query-commands", {}, [{"name": str}]),
    ("query-chardev", {}, [{"label": str, "filename": str}]),
    (
        "query-block",
        {},
        [{"device": str, "type": str, "removable": bool, "locked": bool}],
    ),
    ("query-blockstats", {}, [{"device": str, "stats": dict}]),
    ("query-cpus", {}, [{"CPU": int, "current": bool, "halted": bool, "pc": int}]),
    ("query-pci", {}, [{"bus": int, "devices": list}]),
    ("query-kvm", {}, {"enabled": bool, "present": bool}),
    ("query-status", {}, {"running": bool, "singlestep": bool}),
    ("query-mice", {}, [{"name": str, "index": int, "current": bool}]),
    ("query-vnc", {}, {"enabled": bool}),
    ("query-name", {}, {"name": str}),
    ("query-uuid", {}, {"UUID": str}),
    ("query-migrate", {}, {}),
    ("query-balloon", {}, {"actual": int}),
]

_PROPERTY = {"device": "e1000", "property": "mac", "value": "zz"}
FAILS: list[tuple[str, dict[str, Any], str, dict[str, str], Prepare | None]] = [
    ("eject", {"device": "x"}, "DeviceNotFound", {"device": "x"}, None),
    (
        "eject",
        {"device": "ide0-hd0"},
        "DeviceNotRemovable",
        {"device": "ide0-hd0"},
        None,
    ),
    ("eject", {"device": "ide1-cd0"}, "DeviceLocked", {"device": "ide1-cd0"}, lock),
    (
        "change",
        {"device": "x", "target": "cd2.iso"},
        "DeviceNotFound",
        {"device": "x"},
        None,
    ),
    (
        "change",
        {"device": "ide1-cd0", "target": "cd2.iso", "arg": "none"},
        "InvalidBlockFormat",
        {"name": "none"},
        None,
    ),
    (
        "change",
        {"device": "ide0-hd0", "target": "cd2.iso"},
        "DeviceNotRemovable",
        {"device": "ide0-hd0"},
        None,
    ),
    (
        "change",
        {"device": "ide1-cd0", "target": "cd2.iso"},
        "DeviceLocked",
        {"device": "ide1-cd0"},
        lock,
    ),
    (
        "change",
        {"device": "ide1-cd0", "target": "/none"},
        "OpenFileFailed",
        {"filename": "/none"},
        None,
    ),
    (
        "change",
        {"device": "ide1-cd0", "target": "enc.qcow2"},
        "DeviceEncrypted",
        {"device": "ide1-cd0"},
        None,
    ),
    (
        "change",
        {"device": "vnc", "target": "password"},
        "MissingParameter",
        {"name": "password"},
        None,
    ),
    (
        "change",
        {"device": "vnc", "target": "password", "arg": "p"},
        "SetPasswdFailed",
        {},
        without_display,
    ),
    (
        "change",
        {"device": "vnc", "target": "256.0.0.1:1"},
        "VNCServerFailed",
        {"target": "256.0.0.1:1"},
        None,
    ),
    ("cont", {}, "MigrationExpected", {}, awaiting),
    ("cont", {}, "DeviceEncrypted", {"device": "ide1-cd0"}, with_key_missing),
    (
        "device_add",
        {"driver": "e1000", "id": "1"},
        "InvalidParameterValue",
        {"name": "id", "expected": "an identifier"},
        None,
    ),
    (
        "device_add",
        {"driver": "e1000", "id": "vn0"},
        "DuplicateId",
        {"id": "vn0", "object": "device"},
        None,
    ),
    ("device_add", {"id": "a"}, "MissingParameter", {"name": "driver"}, None),
    (
        "device_add",
        {"driver": "x"},
        "InvalidParameterValue",
        {"name": "driver", "expected": "a driver name"},
        None,
    ),
    (
        "device_add",
        {"driver": "e1000", "bus": "x"},
        "BusNotFound",
        {"bus": "x"},
        None,
    ),
    (
        "device_add",
        {"driver": "e1000", "bus": "pci.0/x"},
        "DeviceNotFound",
        {"device": "x"},
        None,
    ),
    (
        "device_add",
        {"driver": "e1000", "bus": "pci.0/e1000"},
        "DeviceNoBus",
        {"device": "e1000"},
        None,
    ),
    (
        "device_add",
        {"driver": "e1000", "bus": "pci.0/piix3-ide"},
        "DeviceMultipleBusses",
        {"device": "piix3-ide"},
        None,
    ),
    (
        "device_add",
        {"driver": "e1000", "bus": "s0.0"},
        "BadBusForDevice",
        {"device": "e1000", "bad_bus_type": "SCSI"},
        None,
    ),
    (
        "device_add",
        {"driver": "virtserialport"},
        "NoBusForDevice",
        {"device": "virtserialport", "bus": "virtio-serial-bus"},
        None,
    ),
    ("device_add", {"driver": "isa-serial"}, "BusNoHotplug", {"bus": "isa.0"}, None),
    (
        "device_add",
        {"driver": "e1000", "x": 1},
        "PropertyNotFound",
        {"device": "e1000", "property": "x"},
        None,
    ),
    (
        "device_add",
        {"driver": "e1000", "mac": "zz"},
        "PropertyValueBad",
        _PROPERTY,
        None,
    ),
    (
        "device_add",
        {"driver": "e1000", "netdev": "nd0"},
        "PropertyValueInUse",
        {"device": "e1000", "property": "netdev", "value": "nd0"},
        None,
    ),
    (
        "device_add",
        {"driver": "e1000", "netdev": "x"},
        "PropertyValueNotFound",
        {"device": "e1000", "property": "netdev", "value": "x"},
        None,
    ),
    (
        "device_add",
        {"driver": "virtio-blk-pci"},
        "DeviceInitFailed",
        {"device": "virtio-blk-pci"},
        None,
    ),
    ("device_del", {"id": "x"}, "DeviceNotFound", {"device": "x"}, None),
    (
        "cpu",
        {"index": 9},
        "InvalidParameterValue",
        {"name": "index", "expected": "a CPU number"},
        None,
    ),
    *(
        (name, {"val": 0, "size": 16, "filename": file}, error, data, None)
        for name in ("memsave", "pmemsave")
        for file, error, data in (
            ("/none/m", "OpenFileFailed", {"filename": "/none/m"}),
            ("/dev/full", "UndefinedError", {}),
        )
    ),
    ("migrate", {"uri": "nowhere:"}, "UndefinedError", {}, None),
    (
        "netdev_add",
        {"type": "user", "id": "1"},
        "InvalidParameterValue",
        {"name": "id", "expected": "an identifier"},
        None,
    ),
    (
        "netdev_add",
        {"type": "user", "id": "nd0"},
        "DuplicateId",
        {"id": "nd0", "object": "netdev"},
        None,
    ),
    ("netdev_add", {"id": "a"}, "MissingParameter", {"name": "type"}, None),
    (
        "netdev_add",
        {"type": "x", "id": "a"},
        "InvalidParameterValue",
        {"name": "type", "expected": "a netdev backend type"},
        None,
    ),
    (
        "netdev_add",
        {"type": "user", "id": "a", "vlan": 1},
        "InvalidParameter",
        {"name": "vlan"},
        None,
    ),
    ("netdev_add", {"type": "user"}, "MissingParameter", {"name": "id"}, None),
    (
        "netdev_add",
        {"type": "user", "id": "a", "x": 1},
        "InvalidParameter",
        {"name": "x"},
        None,
    ),
    (
        "netdev_add",
        {"type": "tap", "id": "a", "vhost": "x"},
        "InvalidParameterValue",
        {"name": "vhost", "expected": "'on' or 'off'"},
        None,
    ),
    (
        "netdev_add",
        {"type": "socket", "id": "a"},
        "DeviceInitFailed",
        {"device": "socket"},
        None,
    ),
    ("netdev_del", {"id": "x"}, "DeviceNotFound", {"device": "x"}, None),
    *(
        (name, arguments, error, data, prepare)
        for name, arguments in (("balloon", {"value": 1}), ("query-balloon", {}))
        for error, data, prepare in (
            (
                "KVMMissingCap",
                {"capability": "synchronous MMU", "feature": "balloon"},
                without_synchronous_mmu,
            ),
            ("DeviceNotActive", {"device": "balloon"}, without_balloon),
        )
    ),
    ("set_link", {"name": "x", "up": True}, "DeviceNotFound", {"device": "x"}, None),
    (
        "getfd",
        {"fdname": "1"},
        "InvalidParameterValue",
        {"name": "fdname", "expected": "a name not starting with a digit"},
        None,
    ),
    ("closefd", {"fdname": "x"}, "FdNotFound", {"name": "x"}, None),
    (
        "block_passwd",
        {"device": "x", "password": "p"},
        "DeviceNotFound",
        {"device": "x"},
        None,
    ),
    (
        "block_passwd",
        {"device": "ide0-hd0", "password": "p"},
        "DeviceNotEncrypted",
        {"device": "ide0-hd0"},
        None,
    ),
    (
        "qmp_capabilities",
        {},
        "CommandNotFound",
        {"name": "qmp_capabilities"},
        None,
    ),
]


class Client:
    """A socket to a monitor."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)  # noqa: FBT003 - the standard library's
        self.sock = sock
        self._data = b""

    async def read(self) -> Any:
        loop = asyncio.get_running_loop()
        while b"\r\n" not in self._data:
            self._data += await loop.sock_recv(self.sock, 65536)
        line, _, self._data = self._data.partition(b"\r\n")
        return json.loads(line)

    async def ask(self, name: str, arguments: Any, *, fd: int | None = None) -> Any:
        message = json.dumps({"execute": name, "arguments": arguments, "id": 1})
        socket.send_fds(self.sock, [message.encode()], [] if fd is None else [fd])
        while "id" not in (answer := await self.read()):
            assert "event" in answer
        return answer


async def with_machine(use: Callable[[Client, Machine], Any]) -> None:
    """Make the machine and a client of its monitor, and use them."""
    machine = await assemble(parse_options(OPTIONS.split()))
    monitor = v2010_monitor(machine)
    mine, theirs = socket.socketpair()
    try:
        with mine, theirs:
            async with monitor.serve(f"fd:{theirs.fileno()}", grace=0.1):
                client = Client(mine)
                assert "QMP" in await client.read()
                await client.ask("qmp_capabilities", {})
                await use(client, machine)
    finally:
        machine.close()


@pytest.fixture(autouse=True)
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the images that the options name, and go where they are."""
    monkeypatch.chdir(tmp_path)
    for name in ("hd.img", "cd.iso", "cd2.iso", "spare.img"):
        Path(name).write_bytes(bytes(65536))
    Path("enc.qcow2").write_bytes(encrypted())


def encrypted() -> bytes:
    """Return an empty qcow2 image that wants a key."""
    image = bytearray(new_image(1 << 20))
    image[32:36] = (1).to_bytes(4, "big")
    return bytes(image)


def fits(value: Any, shape: Any) -> bool:
    """Tell whether a value has a shape: members and their types, perhaps more."""
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(
            name in value and fits(value[name], inner) for name, inner in shape.items()
        )
    if isinstance(shape, list):
        return bool(value) and all(fits(item, shape[0]) for item in value)
    return type(value) is shape


@pytest.mark.parametrize(("name", "arguments", "shape"), WORKS)
def test_each_command_works(
    name: str,
    arguments: dict[str, Any],
    shape: Any,
) -> None:
    async def use(client: Client, machine: Machine) -> None:
        with open("hd.img") as file:  # noqa: ASYNC230 - it is there
            if name == "closefd":
                await client.ask("getfd", {"fdname": "kept"}, fd=file.fileno())
            if name == "block_passwd":
                with_key_missing(machine)
            fd = file.fileno() if name == "getfd" else None
            answer = await client.ask(name, arguments, fd=fd)
        if name == "migrate":
            await machine.migration.wait()
        assert "return" in answer, answer
        if shape == {}:
            assert answer["return"] == {}
        else:
            assert fits(answer["return"], shape), answer["return"]

    run_on("asyncio", with_machine(use))


@pytest.mark.parametrize(("name", "arguments", "error", "data", "prepare"), FAILS)
def test_each_error_of_each_command(
    name: str,
    arguments: dict[str, Any],
    error: str,
    data: dict[str, str],
    prepare: Prepare | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    template = CommandError.catalogue[error].template_2010

    async def use(client: Client, machine: Machine) -> None:
        if prepare is not None:
            prepare(machine)
        with open("hd.img") as file:  # noqa: ASYNC230 - it is there
            fd = file.fileno() if name == "getfd" else None
            answer = await client.ask(name, arguments, fd=fd)
        assert answer["error"] == {
            "class": error,
            "desc": template.format_map(data),
            "data": data,
        }

    run_on("asyncio", with_machine(use))


def test_a_descriptor_has_to_come_along() -> None:
    async def use(client: Client, _: Machine) -> None:
        answer = await client.ask("getfd", {"fdname": "x"})
        assert answer["error"]["class"] == "FdNotSupplied"
        answer = await client.ask("block_passwd", {"device": "x", "password": "p"})
        assert answer["error"]["class"] == "DeviceNotFound"

    run_on("asyncio", with_machine(use))


UNREACHABLE = {
    # Nothing of the machine is on a bus that could refuse in these ways, or asks for a
    # key after its medium has gone: what stands here has a test of its own.
    ("device_del", "BusNoHotplug"): "test_devices.py",
    ("device_del", "UndefinedError"): "no bus of the machine fails without saying why",
    ("block_passwd", "InvalidPassword"): "test_block.py",
    ("getfd", "FdNotSupplied"): "test_a_descriptor_has_to_come_along",
}


@pytest.mark.peer("qemu-0.13")
def test_no_command_and_no_error_is_forgotten() -> None:
    facts = json.loads(VECTORS.joinpath("facts.json").read_text())
    tried = {(name, error) for name, _, error, *_ in FAILS} | set(UNREACHABLE)
    told = {
        (command["name"], error["class"])
        for command in facts["commands"]
        for error in command["errors"]
    }
    assert told - tried == set()
    works = {name for name, *_ in WORKS} | {"qmp_capabilities"}
    assert works == {command["name"] for command in facts["commands"]}
