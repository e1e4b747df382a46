"""The network: the same requests to a real QEMU and to our machine."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.twins import Twins, twins

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]


@pytest.fixture(scope="module")
def both() -> Iterator[Twins]:
    """Keep one pair: each row removes what it has made."""
    with twins() as pair:
        yield pair


def normal(told: Any) -> Any:
    """Return messages without the numbers of descriptors."""
    return re.sub(r"\bFD \d+", "FD N", str(told))


def alike(told: tuple[Any, Any]) -> Any:
    """Look whether both said the same, and return it."""
    theirs, ours = told
    assert ours == theirs or normal(ours) == normal(theirs)
    return ours


ROWS: list[dict[str, Any]] = [
    {"type": "user", "id": "n"},
    {"type": "user", "id": "1n"},
    {"type": "user"},
    {"id": "n"},
    {"type": "nothing", "id": "n"},
    {"type": "user", "id": "n", "nothing": 1},
    {"type": "user", "id": "n", "restrict": "on"},
    {"type": "user", "id": "n", "hostfwd": [{"str": "tcp::0-:22"}]},
    {"type": "user", "id": "n", "hostfwd": [{"str": "zz"}]},
    {"type": "user", "id": "n", "hostfwd": [{"str": "tcp::1234:1"}]},
    {"type": "user", "id": "n", "hostfwd": [{"str": "xx::1234-:1"}]},
    {"type": "user", "id": "n", "hostfwd": ["tcp::1234-:1"]},
    {"type": "user", "id": "n", "guestfwd": [{"str": "zz"}]},
    {"type": "user", "id": "n", "net": "10.0.5.0/24", "restrict": True},
    {"type": "user", "id": "n", "net": "zz"},
    {"type": "user", "id": "n", "host": "1.2.3.4"},
    {"type": "user", "id": "n", "dhcpstart": "1.2.3.4"},
    {"type": "user", "id": "n", "ipv4": False, "ipv6": False},
    {"type": "user", "id": "n", "ipv6": True, "dns": "10.0.2.9"},
    {"type": "user", "id": "n", "domainname": "a" * 256},
    {"type": "tap", "id": "n", "fd": "nothing"},
    {"type": "tap", "id": "n", "fd": "99999"},
    {"type": "tap", "id": "n", "fd": "3", "ifname": "x"},
    {"type": "tap", "id": "n", "vnet-hdr": True},
    {"type": "socket", "id": "n"},
    {"type": "socket", "id": "n", "listen": "127.0.0.1:0"},
    {"type": "socket", "id": "n", "connect": "127.0.0.1:1"},
    {"type": "socket", "id": "n", "listen": "zz"},
    {"type": "socket", "id": "n", "connect": "zz"},
    {"type": "socket", "id": "n", "mcast": "zz"},
    {"type": "socket", "id": "n", "listen": "a", "connect": "b"},
    {"type": "socket", "id": "n", "fd": "nothing"},
    {"type": "hubport", "id": "n", "hubid": 0},
    {"type": "hubport", "id": "n"},
    {"type": "hubport", "id": "n", "hubid": 0, "netdev": "zz"},
    {"type": "vhost-user", "id": "n", "chardev": "nothing"},
    {"type": "hubport", "id": "n", "hubid": 2**32},
    {"type": "vde", "id": "n"},
    {"type": "vhost-vdpa", "id": "n"},
    {"type": "netmap", "id": "n", "ifname": "x"},
    {"type": "stream", "id": "n"},
    {"type": "stream", "id": "n", "addr": {"type": "inet", "host": "127.0.0.1"}},
    {"type": "none", "id": "n"},
    {"type": "nic", "id": "n"},
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_back_ends_are_made_and_refused_alike(both: Twins, row: dict[str, Any]) -> None:
    for name, arguments in (
        ("netdev_add", row),
        ("netdev_add", row),
        ("set_link", {"name": "n", "up": False}),
        ("query-rx-filter", {"name": "n"}),
        ("netdev_del", {"id": "n"}),
        ("netdev_del", {"id": "n"}),
        ("set_link", {"name": "n", "up": False}),
        ("query-rx-filter", {"name": "n"}),
    ):
        alike((both.theirs.run(name, arguments), both.ours.run(name, arguments)))


def test_a_stream_that_listens_is_made_alike() -> None:
    # In a pair of its own, that is not asked to delete it: QEMU 7.2 listens in a
    # thread, and writes into what netdev_del has freed when that is done later.
    listening = {"type": "inet", "host": "127.0.0.1", "port": "0"}
    row = {"type": "stream", "id": "n", "addr": listening, "server": True}
    with twins() as both:
        for name, arguments in (
            ("netdev_add", row),
            ("netdev_add", row),
            ("set_link", {"name": "n", "up": False}),
            ("query-rx-filter", {"name": "n"}),
        ):
            alike((both.theirs.run(name, arguments), both.ours.run(name, arguments)))


def test_what_is_handed_over_and_is_no_tap_is_gone_alike(both: Twins) -> None:
    for talk in (both.theirs, both.ours):
        reader, writer = os.pipe()
        assert talk.run("getfd", {"fdname": "tap"}, fds=[reader]) == [{"return": {}}]
        os.close(reader)
        os.close(writer)
    alike(both.run("netdev_add", type="tap", id="n", fd="tap"))
    alike(both.run("closefd", fdname="tap"))


ANNOUNCE: list[dict[str, Any]] = [
    {},
    {"initial": 50, "max": 550, "rounds": 5, "step": 50},
    {"initial": 50, "max": 550, "rounds": 5, "step": 50, "interfaces": ["zz"]},
    {"initial": -1, "max": 550000, "rounds": 10000, "step": 0, "id": "x"},
    {"initial": 50, "max": 550, "rounds": 5, "step": "50"},
]


@pytest.mark.parametrize("row", ANNOUNCE, ids=str)
def test_adapters_announce_themselves_alike(both: Twins, row: dict[str, Any]) -> None:
    alike((both.theirs.run("announce-self", row), both.ours.run("announce-self", row)))


def test_an_adapter_and_its_back_end_are_alike() -> None:
    with twins() as both:
        alike(both.run("netdev_add", type="user", id="net0"))
        mac = "52:54:00:11:22:33"
        virtio = {"driver": "virtio-net-pci", "id": "nic0", "netdev": "net0"}
        assert both.theirs.run("device_add", virtio | {"mac": mac}) == [{"return": {}}]
        network = both.machine.network
        both.do(
            lambda: network.add_adapter(
                "virtio-net-pci", "nic0", mac=mac, vlan=None, netdev="net0"
            )
        )
        for name in ("nic0", "net0", None):
            alike(
                both.run("query-rx-filter", **({} if name is None else {"name": name}))
            )
        for name in ("nic0", "net0"):
            alike(both.run("set_link", name=name, up=False))
        alike(both.run("netdev_del", id="nic0"))
        alike(both.run("netdev_del", id="net0"))
        for name in ("nic0", "net0"):
            alike(both.run("set_link", name=name, up=True))
