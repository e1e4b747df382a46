"""Devices, objects, buses, and what they look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["device_add"], "Error: Parameter 'driver' is missing\n"),
        (["device_add nope"], "Error: 'nope' is not a valid device model name\n"),
        (["device_add nope,help"], "Device 'nope' not found\n"),
        (["device_add e1000,x=1"], "Error: Property 'e1000.x' not found\n"),
        (["device_del x"], "Error: Device 'x' not found\n"),
        (
            ["device_add e1000,id=a", "device_add e1000,id=a"],
            "Error: Duplicate device ID 'a'\n",
        ),
        (
            ["object_add nope"],
            "Error: Parameter 'qom-type' does not accept value 'nope'\n",
        ),
        (
            ["object_add iothread,id=i", "object_del i", "object_del i"],
            "Error: object 'i' not found\n",
        ),
        (["object_add {'qom-type':'iothread','id':'i'}", "object_del i"], ""),
        (
            ["object_add {'qom-type':'iothread'"],
            "Error: JSON parse error, premature EOI\n",
        ),
        (
            ["qom-set -j /none x nul"],
            "Error: JSON parse error, invalid keyword 'nul'\n",
        ),
        (["qom-list"], "/\n"),
        (["qom-get / type"], '"container"\n'),
        (["qom-set / x 1"], "Error: Property 'container.x' not found\n"),
        (
            ["info qom-tree /objects"],
            (
                "/objects (container)\n  /pc.ram (memory-backend-ram)\n"
                "    /pc.ram[0] (memory-region)\n"
            ),
        ),
        (["info qom-tree /x"], "Path '/x' could not be resolved.\n"),
        (["info usb"], "Error: USB support not enabled\n"),
        (
            ["device_add qemu-xhci", "device_add usb-tablet,id=t", "info usb"],
            "  Device 0.0, Port 1, Speed 480 Mb/s, Product QEMU USB Tablet, ID: t\n",
        ),
        (["info virtio"], "No VirtIO devices\n"),
        (
            ["device_add virtio-rng-pci,id=r", "info virtio"],
            "/machine/peripheral/r/virtio-backend [virtio-rng]\n",
        ),
        (["info virtio-status /x"], "Error: Path /x is not a VirtIODevice\n"),
        (
            [
                "device_add virtio-rng-pci,id=r",
                "info virtio-queue-status /machine/peripheral/r/virtio-backend 1",
            ],
            "Error: Invalid virtqueue number 1\n",
        ),
        (
            ["pcie_aer_inject_error x y"],
            "id or pci device path is invalid or device not found. x\n",
        ),
    ],
)
def test_a_line_says(say: Callable[[str], str], lines: list[str], said: str) -> None:
    *before, last = lines
    for line in before:
        assert say(line) == ""
    assert say(last) == said


def test_the_properties_of_a_model_are_listed(say: Callable[[str], str]) -> None:
    head, *lines = say("device_add e1000,help").splitlines()
    assert head == "e1000 options:"
    assert (
        "  mac=<str>              - Ethernet 6-byte MAC Address, example:"
        in lines[[line.split("=")[0].strip() for line in lines].index("mac")]
    )
    assert "  rombar=<uint32>        -  (default: 1)" in lines


def test_the_tree_shows_a_device_where_it_is(say: Callable[[str], str]) -> None:
    assert say("device_add e1000,id=a,mac=52:54:00:00:00:01") == ""
    text = say("info qtree")
    start = text.index('      dev: e1000, id "a"\n')
    shown = text[start : text.index("      dev:", start + 1)]
    for line in (
        '        mac = "52:54:00:00:00:01"',
        "        addr = 02.0",
        "        rombar = 1 (0x1)",
        "        multifunction = false",
        (
            "        class Ethernet controller, addr 00:02.0, pci id 8086:100e "
            "(sub 1af4:1100)"
        ),
        "        bar 1: i/o at 0xffffffffffffffff [0x3e]",
    ):
        assert f"{line}\n" in shown


def test_the_bus_is_shown(say: Callable[[str], str]) -> None:
    say("device_add e1000,id=a")
    assert say("info pci").endswith(
        "  Bus  0, device   2, function 0:\n"
        "    Ethernet controller: PCI device 8086:100e\n"
        "      PCI subsystem 1af4:1100\n"
        "      IRQ 0, pin A\n"
        "      BAR0: 32 bit memory at 0xffffffffffffffff [0x0001fffe].\n"
        "      BAR1: I/O at 0xffffffffffffffff [0x003e].\n"
        "      BAR6: 32 bit memory at 0xffffffffffffffff [0x0003fffe].\n"
        '      id "a"\n'
    )


def test_what_is_where_is_shown(say: Callable[[str], str]) -> None:
    assert (
        "    0000000000000000-0000000007ffffff (prio 0, ram): alias ram-below-4g "
        "@pc.ram 0000000000000000-0000000007ffffff\n"
    ) in say("info mtree")
    flat = say("info mtree -f").splitlines()
    assert flat[0] == "FlatView #0"
    assert "  00000000fec00000-00000000fec00fff (prio 0, i/o): ioapic" in flat
