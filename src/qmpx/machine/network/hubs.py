"""Hubs: whose port is connected to whom, and what leads nowhere.

Those of ``-net`` are vlans here, those of ``-netdev hubport`` clients that are ports.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterator

from qmpx.machine.network.clients import Client, Kind
from qmpx.machine.network.network import Network

Port = tuple[str, Client | None]
"""The name of a port, and who is connected to it."""


def hubs(network: Network) -> list[tuple[int, list[Port]]]:
    """Return the hubs by their numbers, and their ports, the latest first."""
    found: dict[int, list[Port]] = {}
    for number, clients in network.vlans.items():
        ports = sorted(clients, key=lambda client: client.kind is not Kind.ADAPTER)
        if ports:
            found[number] = [
                (f"hub{number}port{port}", client) for port, client in enumerate(ports)
            ]
    for client in network.others:
        if client.hub is not None:
            found.setdefault(client.hub, []).append((client.name, client.peer))
    return [(number, ports[::-1]) for number, ports in reversed(found.items())]


def hub_of(client: Client) -> int | None:
    """Return the number of the hub that a client is on, or is a port of."""
    if client.hub is None and client.peer is not None:
        return client.peer.hub
    return client.hub if client.vlan is None else client.vlan


def loose_ends(network: Network) -> Iterator[str]:
    """Yield what is to be said of hubs and clients that lead nowhere."""
    for number, ports in hubs(network):
        yield from (f"hub port {name} has no peer" for name, peer in ports if not peer)
        kinds = {peer.kind is Kind.ADAPTER for _, peer in ports if peer is not None}
        if kinds == {True}:
            yield f"hub {number} is not connected to host network"
        elif kinds == {False}:
            yield f"hub {number} with no nics"
    for client in network.others:
        if client.peer is None:
            what = "nic" if client.kind is Kind.ADAPTER else "netdev"
            yield f"{what} {client.name} has no peer"
