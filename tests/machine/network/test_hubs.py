"""Hubs: who is connected, and what leads nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.machine import Machine
from qmpx.machine.network.clients import Client, Kind
from qmpx.machine.network.hubs import hub_of, hubs, loose_ends

if TYPE_CHECKING:
    from qmpx.machine.network.network import Network


@pytest.fixture
def network() -> Network:
    """Return a network with two hubs: an adapter on one, a user's on the other."""
    network = Machine().network
    user = Client(Kind.USER, "user", "u")
    for name, hub, peer in (("a", 0, None), ("b", 3, user), ("c", 0, None)):
        port = Client(Kind.SOCKET, "hubport", name, hub=hub, peer=peer)
        if peer is not None:
            network.add_back_end(peer)
            peer.peer = port
        network.add_back_end(port)
    network.add_adapter("e1000", "nic", mac=None, vlan=None, netdev="a")
    return network


def test_the_latest_hub_and_port_come_first(network: Network) -> None:
    named = [
        (number, [(name, peer.name if peer else None) for name, peer in ports])
        for number, ports in hubs(network)
    ]
    assert named == [(3, [("b", "u")]), (0, [("c", None), ("a", "nic")])]


def test_a_client_is_on_the_hub_of_its_port(network: Network) -> None:
    found = {client.name: hub_of(client) for client in network}
    assert found == {"a": 0, "u": 3, "b": 3, "c": 0, "nic": 0}


def test_what_leads_nowhere_is_told(network: Network) -> None:
    assert list(loose_ends(network)) == [
        "hub 3 with no nics",
        "hub port c has no peer",
        "hub 0 is not connected to host network",
        "netdev c has no peer",
    ]


def test_a_vlan_is_a_hub_too() -> None:
    network = Machine().network
    network.add_legacy({"type": "user", "name": "u"})
    network.add_adapter("e1000", "nic", mac=None, vlan=0, netdev=None)
    ((number, ports),) = hubs(network)
    assert number == 0
    assert [(name, peer.name) for name, peer in ports if peer is not None] == [
        ("hub0port1", "u"),
        ("hub0port0", "nic"),
    ]
    assert not list(loose_ends(network))
