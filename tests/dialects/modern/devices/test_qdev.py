"""Devices: what is not there, and how the others go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.dialects.conftest import Box

NO_X = ("DeviceNotFound", "Device 'x' not found")


@pytest.mark.parametrize(
    ("command", "arguments", "refusal"),
    [
        ("device_del", {"id": "x"}, NO_X),
        ("device_del", {}, ("GenericError", "Parameter 'id' is missing")),
        ("set_link", {"name": "x", "up": True}, NO_X),
        ("set_link", {"name": "x"}, ("GenericError", "Parameter 'up' is missing")),
    ],
)
def test_what_is_not_there(
    box: Box, command: str, arguments: dict[str, Any], refusal: tuple[str, str]
) -> None:
    assert box.refusal(command, **arguments) == refusal


def test_a_usb_device_goes_at_once(box: Box) -> None:
    def plug() -> None:
        box.machine.devices.board.has_usb = True
        box.machine.devices.add({"driver": "usb-tablet", "id": "u"})
        box.machine.devices.add({"driver": "usb-kbd"})

    box.do(plug)
    box.run("device_del", id="u")
    box.run("device_del", id="/machine/peripheral-anon/device[0]")
    assert box.events() == [
        ("DEVICE_DELETED", {"device": "u", "path": "/machine/peripheral/u"}),
        ("DEVICE_DELETED", {"path": "/machine/peripheral-anon/device[0]"}),
    ]


def test_the_guest_is_asked_once_for_a_pci_device(box: Box) -> None:
    box.do(lambda: box.machine.devices.add({"driver": "e1000", "id": "n"}))
    box.run("device_del", id="n")
    for name in ("n", "/machine/peripheral/n"):
        assert box.refusal("device_del", id=name) == (
            "GenericError",
            f"Device {name} is already in the process of unplug",
        )


def test_what_is_on_a_fixed_bus_stays(box: Box) -> None:
    box.do(
        lambda: box.machine.devices.add(
            {"driver": "ide-drive", "drive": "disk0", "id": "h"}
        )
    )
    assert box.refusal("device_del", id="h") == (
        "GenericError",
        "Bus 'ide.1' does not support hotplugging",
    )


def test_a_cable_is_plugged_in_and_out(box: Box) -> None:
    box.do(lambda: box.machine.devices.add({"driver": "e1000", "id": "n"}))
    for up in (False, True):
        box.run("set_link", name="n", up=up)
        assert box.do(lambda: box.machine.network.find("n").is_link_up) is up
