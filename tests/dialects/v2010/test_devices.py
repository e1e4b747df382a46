"""Devices in 0.13's monitor: what programs and people read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.guest import ObedientGuest
from tests.dialects.v2010.conversation import ask, asking, say
from tests.loops import run_on

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def machine() -> Machine:
    machine = Machine(clock=VirtualClock())
    machine.devices.board.has_usb = True
    machine.network.add_netdev({"type": "user", "id": "nd0"})
    machine.devices.add({"driver": "lsi", "id": "s0"})
    machine.devices.add({"driver": "virtio-net-pci", "netdev": "nd0", "id": "vn0"})
    return machine


def error(class_: str, desc: str, **data: str) -> dict[str, Any]:
    return {"class": class_, "desc": desc, "data": data}


ERRORS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "device_add",
        {"driver": "e1000", "id": "1bad"},
        error(
            "InvalidParameterValue",
            "Parameter 'id' expects an identifier",
            name="id",
            expected="an identifier",
        ),
        "device_add e1000,id=1bad",
    ),
    (
        "device_add",
        {"driver": "e1000", "id": "s0"},
        error("DuplicateId", "Duplicate ID 's0' for device", id="s0", object="device"),
        "device_add e1000,id=s0",
    ),
    (
        "device_add",
        {"id": "x"},
        error("MissingParameter", "Parameter 'driver' is missing", name="driver"),
        "device_add",
    ),
    (
        "device_add",
        {"driver": 5},
        error(
            "InvalidParameterValue",
            "Parameter 'driver' expects a driver name",
            name="driver",
            expected="a driver name",
        ),
        "device_add 5",
    ),
    (
        "device_add",
        {"driver": "e1000", "bus": "nobus"},
        error("BusNotFound", "Bus 'nobus' not found", bus="nobus"),
        "device_add e1000,bus=nobus",
    ),
    (
        "device_add",
        {"driver": "e1000", "bus": "pci.0/foo"},
        error("DeviceNotFound", "Device 'foo' not found", device="foo"),
        "device_add e1000,bus=pci.0/foo",
    ),
    (
        "device_add",
        {"driver": "e1000", "bus": "pci.0/VGA"},
        error("DeviceNoBus", "Device 'VGA' has no child bus", device="VGA"),
        "device_add e1000,bus=pci.0/VGA",
    ),
    (
        "device_add",
        {"driver": "e1000", "bus": "pci.0/piix3-ide"},
        error(
            "DeviceMultipleBusses",
            "Device 'piix3-ide' has multiple child busses",
            device="piix3-ide",
        ),
        "device_add e1000,bus=pci.0/piix3-ide",
    ),
    (
        "device_add",
        {"driver": "e1000", "bus": "s0.0"},
        error(
            "BadBusForDevice",
            "Device 'e1000' can't go on a SCSI bus",
            device="e1000",
            bad_bus_type="SCSI",
        ),
        "device_add e1000,bus=s0.0",
    ),
    (
        "device_add",
        {"driver": "virtserialport"},
        error(
            "NoBusForDevice",
            "No 'virtio-serial-bus' bus found for device 'virtserialport'",
            device="virtserialport",
            bus="virtio-serial-bus",
        ),
        "device_add virtserialport",
    ),
    (
        "device_add",
        {"driver": "isa-serial"},
        error("BusNoHotplug", "Bus 'isa.0' does not support hotplugging", bus="isa.0"),
        "device_add isa-serial",
    ),
    (
        "device_add",
        {"driver": "e1000", "foo": True},
        error(
            "PropertyNotFound",
            "Property 'e1000.foo' not found",
            device="e1000",
            property="foo",
        ),
        "device_add e1000,foo",
    ),
    (
        "device_add",
        {"driver": "e1000", "addr": 1.5},
        error(
            "PropertyValueBad",
            "Property 'e1000.addr' doesn't take value '1.500000'",
            device="e1000",
            property="addr",
            value="1.500000",
        ),
        "device_add e1000,addr=1.500000",
    ),
    (
        "device_add",
        {"driver": "e1000", "netdev": "nd0"},
        error(
            "PropertyValueInUse",
            "Property 'e1000.netdev' can't take value 'nd0', it's in use",
            device="e1000",
            property="netdev",
            value="nd0",
        ),
        "device_add e1000,netdev=nd0",
    ),
    (
        "device_add",
        {"driver": "e1000", "netdev": "none"},
        error(
            "PropertyValueNotFound",
            "Property 'e1000.netdev' can't find value 'none'",
            device="e1000",
            property="netdev",
            value="none",
        ),
        "device_add e1000,netdev=none",
    ),
    (
        "device_add",
        {"driver": "virtio-blk"},
        error(
            "DeviceInitFailed",
            "Device 'virtio-blk' could not be initialized",
            device="virtio-blk",
        ),
        "device_add virtio-blk",
    ),
    (
        "device_del",
        {"id": "nobody"},
        error("DeviceNotFound", "Device 'nobody' not found", device="nobody"),
        "device_del nobody",
    ),
    (
        "device_del",
        {"id": "idd"},
        error("BusNoHotplug", "Bus 'ide.1' does not support hotplugging", bus="ide.1"),
        "device_del idd",
    ),
]

AROUND = {
    "device_add e1000,id=1bad": "Identifiers consist of letters, digits, '-', '.', "
    "'_', starting with a letter.",
    "device_add 5": "Try with argument '?' for a list.",
    "device_add e1000,bus=pci.0/foo": 'devices at "pci.0": "virtio-net-pci"/"vn0", '
    '"lsi53c895a"/"s0", "PIIX4_PM", "piix3-usb-uhci", "piix3-ide", "VGA", "PIIX3", '
    '"i440FX"',
    "device_add e1000,bus=pci.0/piix3-ide": 'child busses at "piix3-ide": "ide.1", '
    '"ide.0"',
}
"""The lines that only people see, behind the error."""


@pytest.mark.parametrize(("name", "arguments", "expected", "line"), ERRORS)
def test_an_error_is_told_to_programs_and_people(
    machine: Machine,
    tmp_path: Path,
    name: str,
    arguments: dict[str, Any],
    expected: dict[str, Any],
    line: str,
) -> None:
    (tmp_path / "d").write_bytes(bytes(512))
    machine.drives.plug({"if": "none", "id": "dd", "file": str(tmp_path / "d")})
    machine.devices.add({"driver": "ide-drive", "drive": "dd", "id": "idd"})
    assert ask(machine, (name, arguments)) == [expected]
    before = "virtio-blk-pci: drive property not set\n" if "blk" in line else ""
    behind = f"{AROUND[line]}\n" if line in AROUND else ""
    assert say(machine, line) == f"{before}{expected['desc']}\n{behind}"


def test_the_first_of_several_faults_is_that_of_0_13_s_dictionaries(
    machine: Machine,
) -> None:
    # Whatever order they come in: "mac" is in bucket 407, "foo" in 490.
    for options in ({"foo": "1", "mac": "5"}, {"mac": "5", "foo": "1"}):
        (told,) = ask(machine, ("device_add", {"driver": "e1000", **options}))
        assert told["class"] == "PropertyValueBad"
    assert say(machine, "device_add e1000,foo=1,mac=5") == (
        "Property 'e1000.mac' doesn't take value '5'\n"
    )


def test_programs_may_leave_out_what_0_13_did_not_look_at(machine: Machine) -> None:
    told = ask(
        machine,
        ("device_add", {"driver": "e1000", "id": 5}),
        ("device_add", {"driver": "e1000", "vectors": [1], "foo": {}}),
        ("device_add", {"driver": "e1000", "id": "n", "rombar": False}),
    )
    assert told[:2] == [{}, {}]
    assert told[2]["class"] == "PropertyValueBad"


def test_a_question_mark_lists_models_and_properties_for_people_only(
    machine: Machine,
) -> None:
    listed = say(machine, "device_add ?").splitlines()
    assert 'name "e1000", bus PCI, desc "Intel Gigabit Ethernet"' in listed
    assert 'name "lsi53c895a", bus PCI, alias "lsi"' in listed
    assert not any("no-user" in line for line in listed)
    assert say(machine, "device_add e1000,?") == (
        "e1000.mac=macaddr\ne1000.vlan=vlan\ne1000.netdev=netdev\n"
    )
    assert say(machine, "device_add lsi,?") == ""
    assert say(machine, "device_add foo,?").startswith("Parameter 'driver' expects")
    (told,) = ask(machine, ("device_add", {"driver": "?"}))
    assert told["class"] == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("device_add e1000", 'failed to find romfile "pxe-e1000.bin"\n'),
        ("device_add e1000,rombar=0", ""),
        ("device_add virtio-balloon", ""),
        ("device_add usb-tablet", ""),
    ],
)
def test_a_missing_option_rom_is_complained_of(
    machine: Machine, line: str, printed: str
) -> None:
    said = say(machine, line)
    assert said.removeprefix("pci_add_option_rom: ") == printed


def test_a_pci_device_goes_when_the_guest_lets_it_go() -> None:
    clock = VirtualClock()
    machine = Machine(is_started=True, clock=clock)
    machine.guest = ObedientGuest(unplug=1.0)
    machine.devices.add({"driver": "e1000", "id": "n"})
    assert ask(machine, ("device_del", {"id": "n"}), ("device_del", {"id": "n"})) == [
        {},
        {},
    ]
    clock.advance(1.0)
    (told,) = ask(machine, ("device_del", {"id": "n"}))
    assert told["class"] == "DeviceNotFound"


def test_a_usb_device_goes_at_once(machine: Machine) -> None:
    told = ask(
        machine,
        ("device_add", {"driver": "usb-tablet", "id": "t"}),
        ("device_del", {"id": "t"}),
        ("device_del", {"id": "t"}),
    )
    assert told[:2] == [{}, {}]
    assert told[2]["class"] == "DeviceNotFound"


def test_by_execute_async_the_reply_comes_when_the_device_has_gone() -> None:
    clock = VirtualClock()
    machine = Machine(is_started=True, clock=clock)
    machine.guest = ObedientGuest(unplug=60.0)
    machine.devices.add({"driver": "e1000", "id": "n"})

    async def main() -> list[Any]:
        async with asking(machine) as (send, read):
            for identity in ("slow", "again"):
                send(execute_async="device_del", arguments={"id": "n"}, id=identity)
            send(execute="device_del", arguments={"id": "n"}, id="quick")
            send(execute="query-status", id="now")
            heard = [await read() for _ in range(2)]
            clock.advance(60.0)
            return heard + [await read() for _ in range(2)]

    heard = run_on("asyncio", main())
    assert [reply["id"] for reply in heard] == ["quick", "now", "slow", "again"]
    assert [heard[0], *heard[2:]] == [
        {"return": {}, "id": identity} for identity in ("quick", "slow", "again")
    ]


def test_who_waits_for_a_device_is_told_that_the_machine_is_off() -> None:
    machine = Machine(clock=VirtualClock())
    machine.ends = False
    machine.devices.add({"driver": "e1000", "id": "n"})

    async def main() -> Any:
        async with asking(machine) as (send, read):
            send(execute_async="device_del", arguments={"id": "n"}, id="slow")
            send(execute="query-status", id="now")
            await read()
            machine.shut_down(reason="host-signal")
            heard = [await read(), await read()]
            return next(message for message in heard if "id" in message)

    reply = run_on("asyncio", main())
    assert reply["error"]["class"] == "UndefinedError"


# What is there.


def test_query_pci_has_the_ids_swapped(machine: Machine) -> None:
    ((bus,),) = ask(machine, ("query-pci", {}))
    devices = {(d["slot"], d["function"]): d for d in bus["devices"]}
    assert bus["bus"] == 0
    assert devices[4, 0] == {
        "bus": 0,
        "slot": 4,
        "function": 0,
        "class_info": {"class": 512, "desc": "Ethernet controller"},
        "id": {"device": 0x1AF4, "vendor": 0x1000},
        "irq": 0,
        "qdev_id": "vn0",
        "regions": [
            {"bar": 0, "type": "io", "address": -1, "size": 32},
            {
                "bar": 1,
                "type": "memory",
                "address": -1,
                "size": 4096,
                "mem_type_64": False,
                "prefetch": False,
            },
        ],
    }


def bridged() -> Machine:
    machine = Machine(clock=VirtualClock())
    machine.devices.add({"driver": "i6300esb", "addr": "3"})
    bridge = machine.devices.add(
        {"driver": "pci-bridge", "id": "br", "vendorid": "1011", "deviceid": "26"}
    )
    behind = machine.devices.add({"driver": "rtl8139", "bus": "br.0", "id": "n"})
    if bridge.function and bridge.function.bridge and behind.function:
        bridge.function.bridge.secondary = bridge.function.bridge.subordinate = 1
        bridge.function.bridge.io = (0xC000, 0xCFFF)
        behind.function.mapped = {0: 0xC000, 1: 0xF0000000}
        behind.function.interrupt_line = 11
    return machine


def test_what_is_behind_a_bridge_is_told_with_it() -> None:
    ((bus,),) = ask(bridged(), ("query-pci", {}))
    bridge = bus["devices"][-1]
    (behind,) = bridge["pci_bridge"].pop("devices")
    assert bridge["pci_bridge"] == {
        "bus": {"number": 0, "secondary": 1, "subordinate": 1},
        "io_range": {"base": 0xC000, "limit": 0xCFFF},
        "memory_range": {"base": 0, "limit": 0xFFFFF},
        "prefetchable_range": {"base": 0, "limit": 0xFFFFF},
    }
    assert (behind["bus"], behind["qdev_id"], behind["irq"]) == (1, "n", 11)


def test_info_pci_shows_bridges_and_unknown_classes() -> None:
    said = say(bridged(), "info pci")
    assert said[said.index("  Bus  0, device   3") :] == (
        "  Bus  0, device   3, function 0:\n"
        "    Class 2176: PCI device 8086:25ab\n"
        "      BAR0: 32 bit memory at 0xffffffffffffffff [0x0000000e].\n"
        '      id ""\n'
        "  Bus  0, device   4, function 0:\n"
        "    PCI bridge: PCI device 1011:0026\n"
        "      BUS 0.\n"
        "      secondary bus 1.\n"
        "      subordinate bus 1.\n"
        "      IO range [0xc000, 0xcfff]\n"
        "      memory range [0x00000000, 0x000fffff]\n"
        "      prefetchable memory range [0x00000000, 0x000fffff]\n"
        '      id "br"\n'
        "  Bus  1, device   0, function 0:\n"
        "    Ethernet controller: PCI device 10ec:8139\n"
        "      IRQ 11.\n"
        "      BAR0: I/O at 0xc000 [0xc0ff].\n"
        "      BAR1: 32 bit memory at 0xf0000000 [0xf00000ff].\n"
        '      id "n"\n'
    )


def test_info_qtree_is_indented(machine: Machine) -> None:
    machine.devices.add({"driver": "usb-tablet", "id": "t"})
    said = say(machine, "info qtree")
    assert said.startswith(
        "bus: main-system-bus\n"
        "  type System\n"
        '  dev: hpet, id ""\n'
        "    gpio-in 1\n"
        "    dev-prop: timers = 3\n"
    )
    assert (
        '      dev: lsi53c895a, id "s0"\n'
        "        bus-prop: addr = 03.0\n"
        "        bus-prop: romfile = <null>\n"
        "        bus-prop: rombar = 1\n"
        "        bus-prop: multifunction = off\n"
        "        class SCSI controller, addr 00:03.0, pci id 1000:0012 "
        "(sub 1af4:1000)\n"
        "        bar 0: i/o at 0xffffffffffffffff [0xfe]\n"
        "        bar 1: mem at 0xffffffffffffffff [0x3fe]\n"
        "        bar 2: mem at 0xffffffffffffffff [0x1ffe]\n"
        "        bus: s0.0\n"
        "          type SCSI\n"
    ) in said
    assert (
        "        bus: usb.0\n"
        "          type USB\n"
        '          dev: usb-tablet, id "t"\n'
        "            addr 0.0, speed 12, name QEMU USB Tablet, attached\n"
    ) in said


def test_info_qtree_shows_what_ports_have(machine: Machine) -> None:
    machine.devices.add({"driver": "isa-serial"})
    machine.devices.add({"driver": "virtio-serial", "id": "vs"})
    machine.devices.add({"driver": "virtserialport", "name": "org.x"})
    said = say(machine, "info qtree")
    assert "            dev-prop: irq = 4\n" in said
    assert "            isa irq 4\n" in said
    assert (
        '          dev: virtserialport, id ""\n'
        "            dev-prop: nr = 1\n"
        "            dev-prop: chardev = <null>\n"
        '            dev-prop: name = "org.x"\n'
        "             dev-prop-int: id: 1\n"
        "             dev-prop-int: guest_connected: 0\n"
        "             dev-prop-int: host_connected: 0\n"
        "             dev-prop-int: throttled: 0\n"
    ) in said


def test_info_qdm_lists_all_models(machine: Machine) -> None:
    listed = say(machine, "info qdm").splitlines()
    assert 'name "PIIX4_PM", bus PCI, desc "PM", no-user' in listed
    assert len(listed) == len(machine.devices.catalogue.models)


# The older ways.


def test_pci_add_tells_the_slot(machine: Machine, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(4096))
    assert say(
        machine,
        "pci_add auto nic model=e1000,vlan=1",
        f"pci_add pci_addr=0:9 storage if=scsi,file={image}",
        f"drive_add 9 if=scsi,file={image}",
        f"drive_add 0 if=none,id=loose,file={image}",
    ) == (
        'pci_add_option_rom: failed to find romfile "pxe-e1000.bin"\n'
        "OK domain 0, bus 0, slot 5, function 0\n"
        "OK domain 0, bus 0, slot 9, function 0\n"
        "OK bus 1, unit 1\n"
        "OK\n"
    )


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("pci_add auto foo", "invalid type: foo\nfailed to add \n"),
        ("pci_add zz nic", "Invalid PCI device address zz\nfailed to add \n"),
        (
            "pci_add auto nic model=x",
            "Unsupported NIC model: x\nfailed to add model=x\n",
        ),
        (
            "pci_add auto nic foo=1",
            "Invalid parameter 'foo'\nfailed to add foo=1\n",
        ),
        ("pci_add auto storage", "no if= specified\nfailed to add \n"),
        (
            "pci_add auto storage if=virtio,file=/nonexistent",
            (
                "Could not open '/nonexistent'\n"
                "failed to add if=virtio,file=/nonexistent\n"
            ),
        ),
        ("pci_del zz", "Invalid pci address\n"),
        ("pci_del 1:1", "Invalid pci address\n"),
        ("pci_del 1e", "slot 30 empty\n"),
        ("pci_del 3", ""),
        ("drive_add 3 if=scsi,file=/nonexistent", "Could not open '/nonexistent'\n"),
        ("usb_add foo", "could not add USB device 'foo'\n"),
        ("usb_del foo", "could not delete USB device 'foo'\n"),
        ("usb_del 7.0", "could not delete USB device '7.0'\n"),
        ("info usbhost", "USB host devices not supported\n"),
        ("info pcmcia", "No PCMCIA sockets\n"),
    ],
)
def test_the_older_ways_say_what_is_wrong(
    machine: Machine, line: str, printed: str
) -> None:
    assert say(machine, line) == printed


def test_usb_devices_come_and_go(machine: Machine) -> None:
    device = "  Device 0.0, Speed 12 Mb/s, Product QEMU USB"
    assert say(machine, "usb_add tablet", "usb_add mouse", "info usb") == (
        f"{device} Tablet\n{device} Hub\n{device} Mouse\n"
    )
    assert say(machine, "usb_del 0.0", "info usb") == (
        f"{device} Hub\n{device} Mouse\n"
    )


def test_a_board_without_usb_says_so() -> None:
    assert say(Machine(), "info usb") == "USB support not enabled\n"


def test_recordings_come_and_go(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    assert say(machine, f"wavcapture {path}", "info capture") == (
        f"[0]: Capturing audio(44100,16,2) to {path}: 0 bytes\n"
    )
    assert path.stat().st_size == 44
    assert say(machine, "stopcapture 7", "stopcapture 0", "info capture") == ""
    assert say(machine, f"wavcapture {path} 8000 12") == (
        "incorrect bit count 12, must be 8 or 16\nFaied to add wave capture\n"
    )
