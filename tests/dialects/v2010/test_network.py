"""The network in 0.13's monitor: what programs and people read."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.machine import Machine, VirtualClock
from tests.dialects.v2010.conversation import ask, say


@pytest.fixture
def machine() -> Machine:
    machine = Machine(clock=VirtualClock())
    machine.network.add_netdev({"type": "user", "id": "nd0"})
    machine.network.add_legacy({"type": "nic"})
    machine.network.add_legacy({"type": "user"})
    machine.devices.add({"driver": "virtio-net-pci", "netdev": "nd0", "id": "vn0"})
    return machine


SIZES = (
    "You may use k, M, G or T suffixes for kilobytes, megabytes, gigabytes and "
    "terabytes.\n"
)
ID = "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.\n"


@pytest.mark.parametrize(
    ("arguments", "class_", "desc", "data", "hint"),
    [
        (
            {"id": "1"},
            "InvalidParameterValue",
            "Parameter 'id' expects an identifier",
            {"name": "id", "expected": "an identifier"},
            ID,
        ),
        (
            {"id": "nd0"},
            "DuplicateId",
            "Duplicate ID 'nd0' for netdev",
            {"id": "nd0", "object": "netdev"},
            "",
        ),
        (
            {"id": "x"},
            "MissingParameter",
            "Parameter 'type' is missing",
            {"name": "type"},
            "",
        ),
        (
            {"type": "nic", "id": "x"},
            "InvalidParameterValue",
            "Parameter 'type' expects a netdev backend type",
            {"name": "type", "expected": "a netdev backend type"},
            "",
        ),
        (
            {"type": "user", "vlan": 3},
            "InvalidParameter",
            "Invalid parameter 'vlan'",
            {"name": "vlan"},
            "",
        ),
        (
            {"type": "user", "name": "x"},
            "InvalidParameter",
            "Invalid parameter 'name'",
            {"name": "name"},
            "",
        ),
        (
            {"type": "user"},
            "MissingParameter",
            "Parameter 'id' is missing",
            {"name": "id"},
            "",
        ),
        (
            {"type": "user", "id": "x", "foo": 1},
            "InvalidParameter",
            "Invalid parameter 'foo'",
            {"name": "foo"},
            "",
        ),
        (
            {"type": "tap", "id": "x", "vnet_hdr": "maybe"},
            "InvalidParameterValue",
            "Parameter 'vnet_hdr' expects 'on' or 'off'",
            {"name": "vnet_hdr", "expected": "'on' or 'off'"},
            "",
        ),
        (
            {"type": "tap", "id": "x", "sndbuf": "zz"},
            "InvalidParameterValue",
            "Parameter 'sndbuf' expects a size",
            {"name": "sndbuf", "expected": "a size"},
            SIZES,
        ),
        (
            {"type": "tap", "id": "x", "vhost": False},
            "DeviceInitFailed",
            "Device 'tap' could not be initialized",
            {"device": "tap"},
            "",
        ),
    ],
)
def test_netdev_add_tells_programs_and_people(
    machine: Machine,
    arguments: dict[str, Any],
    class_: str,
    desc: str,
    data: dict[str, str],
    hint: str,
) -> None:
    expected = {"class": class_, "desc": desc, "data": data}
    assert ask(machine, ("netdev_add", arguments)) == [expected]
    words = {False: "off"}
    line = ",".join(f"{k}={words.get(v, v)}" for k, v in arguments.items())
    assert say(machine, f"netdev_add {line}") == f"{desc}\n{hint}"


def test_back_ends_come_and_go(machine: Machine) -> None:
    told = ask(
        machine,
        ("netdev_add", {"type": "user", "id": "nd1", "restrict": "y"}),
        ("netdev_del", {"id": "nd1"}),
        ("netdev_del", {"id": "nd1"}),
        ("netdev_del", {"id": "vn0"}),
    )
    assert told[:2] == [{}, {}]
    assert [error["data"] for error in told[2:]] == [
        {"device": "nd1"},
        {"device": "vn0"},
    ]
    assert say(machine, "netdev_add user,id=x", "netdev_del x", "netdev_del x") == (
        "Device 'x' not found\n"
    )


@pytest.mark.parametrize("name", ["e1000.0", "user.0", "nd0", "vn0"])
def test_any_cable_can_be_plugged_in_and_out(machine: Machine, name: str) -> None:
    told = ask(machine, ("set_link", {"name": name, "up": False}))
    assert told == [{}]
    assert not machine.network.find(name).is_link_up
    assert say(machine, f"set_link {name} on") == ""
    assert machine.network.find(name).is_link_up


def test_a_cable_that_is_not_there_is_told(machine: Machine) -> None:
    (told,) = ask(machine, ("set_link", {"name": "x", "up": True}))
    assert told == {
        "class": "DeviceNotFound",
        "desc": "Device 'x' not found",
        "data": {"device": "x"},
    }
    assert say(machine, "set_link x on") == "Device 'x' not found\n"


def test_info_network_shows_vlans_and_peers(machine: Machine) -> None:
    assert say(machine, "info network") == (
        "VLAN 0 devices:\n"
        "  user.0: net=10.0.2.0, restricted=n\n"
        "  e1000.0: model=e1000,macaddr=52:54:00:12:34:56\n"
        "Devices not on any VLAN:\n"
        "  nd0: net=10.0.2.0, restricted=n peer=vn0\n"
        "  vn0: model=virtio-net-pci,macaddr=52:54:00:12:34:57 peer=nd0\n"
    )


def test_a_machine_without_network_says_so() -> None:
    assert say(Machine(), "info network", "info usernet") == (
        "Devices not on any VLAN:\n"
    )


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("host_net_add user vlan=1", ""),
        ("host_net_add foo", "invalid host network device foo\n"),
        (
            "host_net_add user net=x",
            (
                "Device 'user' could not be initialized\n"
                "adding host network device user failed\n"
            ),
        ),
        (
            "host_net_add users",
            (
                "Parameter 'type' expects a network client type\n"
                "adding host network device users failed\n"
            ),
        ),
        ("host_net_remove 0 user.0", ""),
        ("host_net_remove 7 user.0", "unknown VLAN 7\n"),
        ("host_net_remove 0 x", "can't find device x on VLAN 0\n"),
        ("host_net_remove 0 e1000.0", "invalid host network device e1000.0\n"),
        ("hostfwd_add tcp::5555-:22", ""),
        ("hostfwd_add x", "invalid host forwarding rule 'x'\n"),
        ("hostfwd_add 0 user.0 tcp::5555-:22", ""),
        ("hostfwd_add 0 user.0", "invalid host forwarding rule ''\n"),
        ("hostfwd_add 7 user.0 tcp::5555-:22", "unknown VLAN 7\n"),
        ("hostfwd_add 0 x tcp::1-:1", "can't find device x on VLAN 0\n"),
        ("hostfwd_add 0 e1000.0 tcp::1-:1", "invalid device specified\n"),
        (
            "hostfwd_remove tcp::5555",
            "host forwarding rule for tcp::5555 not found\n",
        ),
        ("hostfwd_remove x", "invalid format\n"),
    ],
)
def test_what_only_people_can_do(machine: Machine, line: str, printed: str) -> None:
    _ = machine.devices.root
    assert say(machine, line) == printed


def test_port_forwards_are_shown_until_they_go(machine: Machine) -> None:
    header = (
        "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port "
        "RecvQ SendQ\n"
    )
    assert say(
        machine,
        "hostfwd_add udp:127.0.0.1:53-:53",
        "hostfwd_add tcp::5555-10.0.2.99:22",
        "hostfwd_add tcp::5555-:23",
        "info usernet",
        "hostfwd_remove tcp::5555",
    ) == (
        "could not set up host forwarding rule 'tcp::5555-:23'\n"
        "VLAN -1 (nd0):\n"
        f"{header}"
        "  TCP[HOST_FORWARD]  -1               *  5555       10.0.2.99    22     0"
        "     0\n"
        "  UDP[HOST_FORWARD]  -1       127.0.0.1    53       10.0.2.15    53     0"
        "     0\n"
        "VLAN 0 (user.0):\n"
        f"{header}"
        "host forwarding rule for tcp::5555 removed\n"
    )


def test_without_a_user_network_nothing_is_forwarded() -> None:
    assert say(Machine(), "hostfwd_add tcp::1-:1") == (
        "user mode network stack not in use\n"
    )
