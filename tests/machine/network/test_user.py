"""User-mode networks: their addresses and their port forwards."""

from __future__ import annotations

import pytest

from qmpx.machine.network import user
from qmpx.machine.network.clients import Failed
from qmpx.machine.network.user import UserNetwork


@pytest.mark.parametrize(
    ("options", "info", "dhcp"),
    [
        ({}, "net=10.0.2.0, restricted=n", "10.0.2.15"),
        ({"restrict": "yes"}, "net=10.0.2.0, restricted=y", "10.0.2.15"),
        ({"restrict": "on"}, "net=10.0.2.0, restricted=n", "10.0.2.15"),
        ({"net": "192.168.76.0/24"}, "net=192.168.76.0, restricted=n", "192.168.76.15"),
        ({"net": "192.168.76.9"}, "net=192.168.0.0, restricted=n", "192.168.2.15"),
        ({"net": "10.1.2.3"}, "net=10.0.0.0, restricted=n", "10.0.2.15"),
        ({"net": "172.16.0.0"}, "net=172.16.0.0, restricted=n", "172.16.2.15"),
        ({"net": "9.8.0.0/255.255.0.0"}, "net=9.8.0.0, restricted=n", "9.8.2.15"),
        ({"ip": "10.9.8.7"}, "net=10.9.8.0, restricted=n", "10.9.8.15"),
        ({"dhcpstart": "10.0.2.99"}, "net=10.0.2.0, restricted=n", "10.0.2.99"),
    ],
)
def test_a_network_has_addresses(options: dict[str, str], info: str, dhcp: str) -> None:
    network = UserNetwork(options)
    assert (network.info, network.dhcp_start) == (info, dhcp)


@pytest.mark.parametrize(
    "options",
    [
        {"net": "x"},
        {"net": "10.0.0.0/33"},
        {"net": "10.0.0.0/3"},
        {"net": "10.0.0.0/x"},
        {"host": "10.9.9.9"},
        {"host": "x"},
        {"dns": "10.9.9.9"},
        {"dns": "10.0.2.2"},
        {"dhcpstart": "10.0.3.1"},
        {"dhcpstart": "10.0.2.2"},
        {"dhcpstart": "10.0.2.3"},
        {"smbserver": "x"},
    ],
)
def test_addresses_have_to_fit_together(options: dict[str, str]) -> None:
    with pytest.raises(Failed):
        UserNetwork(options)


def test_forwards_come_and_go() -> None:
    network = UserNetwork({})
    first = network.add_forward("tcp::5555-:22")
    second = network.add_forward("udp:127.0.0.1:53-10.0.2.99:53")
    assert network.forwards == [second, first]
    assert first.guest == "10.0.2.15"
    assert network.remove_forward(first.listener)
    assert not network.remove_forward(first.listener)
    assert network.forwards == [second]


def test_two_forwards_cannot_listen_on_one_port() -> None:
    network, other = UserNetwork({}), UserNetwork({})
    network.add_forward("tcp::5555-:22")
    network.add_forward("udp::5555-:22")
    for one in (network, other):
        with pytest.raises(Failed) as caught:
            one.add_forward("tcp::5555-:23", [network])
        assert str(caught.value) == (
            "could not set up host forwarding rule 'tcp::5555-:23'"
        )


def test_forwards_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user, "MAX_FORWARDS", 1)
    network = UserNetwork({})
    network.add_forward("tcp::1-:1")
    with pytest.raises(Failed):
        network.add_forward("tcp::2-:2")


def test_what_is_no_rule_is_told() -> None:
    with pytest.raises(Failed) as caught:
        UserNetwork({}).add_forward("nonsense")
    assert str(caught.value) == "invalid host forwarding rule 'nonsense'"
