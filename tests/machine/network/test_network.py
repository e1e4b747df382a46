"""Network clients: making them, finding them, plugging cables, removing them."""

from __future__ import annotations

import pytest

from qmpx.errors import (
    CommandError,
    DeviceInitFailed,
    DeviceNotFound,
    DuplicateId,
    GenericError,
    InvalidParameter,
    InvalidParameterValue,
    MissingParameter,
)
from qmpx.machine import Machine
from qmpx.machine.network import Network
from qmpx.machine.network import network as module


@pytest.fixture
def network() -> Network:
    return Machine().network


def same(error: CommandError) -> tuple[object, ...]:
    return type(error), error.data, error.hint


ID = InvalidParameterValue(name="id", expected="an identifier").hinting(
    "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter."
)

# Each row has the faults of the rows behind it, so a check that comes too late shows.
ORDER: list[tuple[dict[str, str], CommandError]] = [
    ({"id": "1bad", "vlan": "1"}, ID),
    ({"id": "nd0", "vlan": "1"}, DuplicateId(id="nd0", object="netdev")),
    ({"id": "x", "vlan": "1"}, MissingParameter(name="type")),
    (
        {"type": "nic", "vlan": "1"},
        InvalidParameterValue(name="type", expected="a netdev backend type"),
    ),
    ({"type": "user", "vlan": "1", "name": "x"}, InvalidParameter(name="vlan")),
    ({"type": "user", "name": "x", "foo": "1"}, InvalidParameter(name="name")),
    ({"type": "user", "foo": "1"}, MissingParameter(name="id")),
    ({"type": "tap", "id": "x", "foo": "1"}, InvalidParameter(name="foo")),
    (
        {"type": "tap", "id": "x", "vhost": "maybe"},
        InvalidParameterValue(name="vhost", expected="'on' or 'off'"),
    ),
    ({"type": "tap", "id": "x", "vhost": "on"}, DeviceInitFailed(device="tap")),
    ({"type": "user", "id": "x", "net": "x"}, DeviceInitFailed(device="user")),
    ({"type": "socket", "id": "x"}, DeviceInitFailed(device="socket")),
]


@pytest.mark.parametrize(("options", "expected"), ORDER)
def test_netdev_add_checks_in_order(
    network: Network, options: dict[str, str], expected: CommandError
) -> None:
    network.add_netdev({"type": "user", "id": "nd0"})
    with pytest.raises(CommandError) as caught:
        network.add_netdev(options)
    assert same(caught.value) == same(expected)
    assert [client.name for client in network] == ["nd0"]


@pytest.mark.parametrize("type_", ["none", "nic", "dump", "vde", "foo", ""])
def test_only_back_ends_are_netdevs(network: Network, type_: str) -> None:
    with pytest.raises(InvalidParameterValue):
        network.add_netdev({"type": type_, "id": "x"})


def test_an_id_is_free_again_after_a_failure_and_after_removal(
    network: Network,
) -> None:
    with pytest.raises(DeviceInitFailed):
        network.add_netdev({"type": "tap", "id": "x"})
    for _ in range(2):
        network.add_netdev({"type": "user", "id": "x"})
        network.remove_netdev("x")


def test_an_adapter_and_its_back_end_are_peers() -> None:
    machine = Machine()
    back_end = machine.network.add_netdev({"type": "user", "id": "nd0"})
    machine.devices.add({"driver": "e1000", "netdev": "nd0", "id": "n"})
    assert back_end is not None
    assert back_end.peer is machine.network.find("n")
    machine.network.remove_netdev("nd0")
    assert machine.network.find("n").peer is None


def test_an_adapter_that_goes_frees_its_back_end() -> None:
    machine = Machine()
    machine.network.add_netdev({"type": "user", "id": "nd0"})
    adapter = machine.devices.add({"driver": "e1000", "netdev": "nd0"})
    machine.devices.destroy(adapter)
    machine.devices.add({"driver": "e1000", "netdev": "nd0"})


@pytest.mark.parametrize("name", ["n", "nobody"])
def test_only_back_ends_can_be_removed_as_such(name: str) -> None:
    machine = Machine()
    machine.devices.add({"driver": "e1000", "id": "n"})
    with pytest.raises(DeviceNotFound) as caught:
        machine.network.remove_netdev(name)
    assert caught.value.data == {"device": name}


def test_clients_without_a_name_are_numbered_by_model() -> None:
    machine = Machine()
    network = machine.network
    network.add_legacy({"type": "user"})
    network.add_legacy({"type": "user", "vlan": "1"})
    network.add_legacy({"type": "user", "name": "mine"})
    machine.devices.add({"driver": "e1000"})
    machine.devices.add({"driver": "e1000", "vlan": "1"})
    machine.devices.add({"driver": "rtl8139"})
    assert [client.name for client in network] == [
        "user.0",
        "mine",
        "user.1",
        "e1000.1",
        "e1000.0",
        "rtl8139.0",
    ]


def test_back_ends_that_have_names_do_not_count() -> None:
    network = Machine().network
    network.add_netdev({"type": "user", "id": "nd0"})
    network.add_legacy({"type": "user"})
    assert [client.name for client in network] == ["user.0", "nd0"]


def test_addresses_are_given_out_one_after_the_other() -> None:
    machine = Machine()
    adapters = [machine.devices.add({"driver": "e1000"}) for _ in range(2)]
    fixed = machine.devices.add({"driver": "e1000", "mac": "52:54:00:00:00:01"})
    assert [device.values["mac"] for device in (*adapters, fixed)] == [
        "52:54:00:12:34:56",
        "52:54:00:12:34:57",
        "52:54:00:00:00:01",
    ]


def test_only_the_last_byte_of_an_address_counts_up(network: Network) -> None:
    assert [network.next_mac() for _ in range(171)][-1] == "52:54:00:12:34:00"


def test_a_cable_is_plugged_in_and_out() -> None:
    machine = Machine()
    machine.network.add_netdev({"type": "user", "id": "nd0"})
    machine.network.add_legacy({"type": "user", "vlan": "3"})
    machine.devices.add({"driver": "e1000", "id": "n"})
    for name in ("nd0", "user.0", "n"):
        machine.network.set_link(name, is_up=False)
        assert not machine.network.find(name).is_link_up
        machine.network.set_link(name, is_up=True)
        assert machine.network.find(name).is_link_up
    with pytest.raises(DeviceNotFound) as caught:
        machine.network.set_link("nobody", is_up=True)
    assert caught.value.data == {"device": "nobody"}


def test_the_client_of_a_vlan_is_found_first() -> None:
    machine = Machine()
    machine.devices.add({"driver": "e1000", "id": "x"})
    machine.network.add_legacy({"type": "user", "name": "x"})
    assert machine.network.find("x").model == "user"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, MissingParameter(name="type")),
        (
            {"type": "vde"},
            InvalidParameterValue(name="type", expected="a network client type"),
        ),
        ({"type": "nic", "foo": "1"}, InvalidParameter(name="foo")),
        (
            {"type": "user", "vlan": "x"},
            InvalidParameterValue(name="vlan", expected="a number"),
        ),
        ({"type": "nic", "netdev": "x"}, DeviceInitFailed(device="nic")),
        ({"type": "nic", "macaddr": "5"}, DeviceInitFailed(device="nic")),
        ({"type": "nic", "vectors": "134217728"}, DeviceInitFailed(device="nic")),
    ],
)
def test_net_refuses_what_cannot_be(
    network: Network, options: dict[str, str], expected: CommandError
) -> None:
    with pytest.raises(CommandError) as caught:
        network.add_legacy(options)
    assert same(caught.value) == same(expected)
    assert (network.nics, list(network)) == ([], [])


def test_net_none_makes_nothing_but_its_vlan(network: Network) -> None:
    assert network.add_legacy({"type": "none", "vlan": "4"}) is None
    assert network.vlans == {4: []}


def test_host_clients_come_and_go(network: Network) -> None:
    network.add_host_client("user", {"vlan": "2", "name": "u"})
    network.remove_host_client(2, "u")
    assert (network.vlans, network.users) == ({2: []}, [])


@pytest.mark.parametrize(
    ("vlan", "name", "text"),
    [
        (7, "u", "unknown VLAN 7"),
        (2, "u", "can't find device u on VLAN 2"),
        (2, "n", "invalid host network device n"),
    ],
)
def test_what_is_no_host_client_stays(vlan: int, name: str, text: str) -> None:
    machine = Machine()
    machine.devices.add({"driver": "e1000", "vlan": "2", "id": "n"})
    with pytest.raises(GenericError) as caught:
        machine.network.remove_host_client(vlan, name)
    assert caught.value.desc == text


def test_a_host_client_has_a_type_of_the_host(network: Network) -> None:
    with pytest.raises(GenericError) as caught:
        network.add_host_client("nic", {})
    assert caught.value.desc == "invalid host network device nic"


def test_vlans_are_limited(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_VLANS", 2)
    network.vlan(1)
    network.vlan(2)
    network.vlan(1)
    with pytest.raises(GenericError) as caught:
        network.vlan(3)
    assert caught.value.desc == "there are 2 vlans already"


def test_cables_move_with_the_machine() -> None:
    machines = [Machine(), Machine()]
    for machine in machines:
        machine.devices.add({"driver": "e1000", "id": "n"})
    machines[0].network.set_link("n", is_up=False)
    state = machines[0].network.state() | {"only there": False}
    machines[1].network.restore(state)
    assert not machines[1].network.find("n").is_link_up


def test_clients_are_limited(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CLIENTS", 1)
    network.add_netdev({"type": "user", "id": "a"})
    with pytest.raises(DeviceInitFailed) as caught:
        network.add_netdev({"type": "user", "id": "b"})
    assert caught.value.__notes__ == ["there are 1 network clients already"]
