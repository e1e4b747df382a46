"""The network of a machine: clients, the vlans that they are on, their links.

A client is on a vlan, with any number of others, or has one peer: a back end of
``-netdev`` and the adapter that names it.

Source: QEMU 0.13.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import (
    DeviceNotFound,
    DuplicateId,
    GenericError,
    InvalidParameter,
    InvalidParameterValue,
    MissingParameter,
)
from qmpx.machine.identifiers import check_identifier
from qmpx.machine.network.back_ends import SocketLink, SocketListener
from qmpx.machine.network.clients import Client, Failed, Kind
from qmpx.machine.network.opening import init_failed, open_client
from qmpx.machine.network.options import (
    HOST_TYPES,
    NETDEV_TYPES,
    OPTIONS,
    check_options,
    read_number,
)
from qmpx.machine.network.requests import NicRequest, read_nic
from qmpx.machine.network.user import UserNetwork

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

FIRST_MAC: Final = 0x525400123456
"""The address of the first adapter that nobody gave one; the next has the next."""

MAX_NICS: Final = 8
"""Adapters that ``-net nic`` and ``pci_add`` make; QEMU's own limit."""

MAX_CLIENTS: Final = 1000
"""Clients of the host on one machine: a socket each, at most."""

MAX_VLANS: Final = 1000
"""Vlans of a machine: any number makes one, and each stays."""


class Network:
    """The network clients of a machine.

    Args:
        machine: The machine; its device tree makes adapters.

    Attributes:
        vlans: The clients of each vlan, in the order in which they came.
        others: The clients on no vlan, in that order.
        nics: What ``-net nic`` has asked for; the board makes the adapters.
        users: The user-mode networks, in the order in which they came.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self.vlans: dict[int, list[Client]] = {}
        self.others: list[Client] = []
        self.nics: list[NicRequest] = []
        self.users: list[Client] = []
        self._ids: set[str] = set()
        self._listeners: dict[str, SocketListener] = {}
        self._macs = 0

    def __iter__(self) -> Iterator[Client]:
        """Yield all clients, those of vlans first."""
        for clients in self.vlans.values():
            yield from clients
        yield from self.others

    def vlan(self, number: int) -> list[Client]:
        """Return the clients of a vlan, which is made if it is not there.

        Raises:
            GenericError: There are `MAX_VLANS` already.
        """
        if number not in self.vlans and len(self.vlans) >= MAX_VLANS:
            message = f"there are {MAX_VLANS} vlans already"
            raise GenericError(message)
        return self.vlans.setdefault(number, [])

    def find(self, name: str) -> Client:
        """Return the client of that name.

        Raises:
            DeviceNotFound: There is none.
        """
        for client in self:
            if client.name == name:
                return client
        raise DeviceNotFound(device=name)

    def back_end(self, id_: str) -> Client | None:
        """Return the back end of that id that is on no vlan, or ``None``."""
        for client in self.others:
            if client.kind is not Kind.ADAPTER and client.name == id_:
                return client
        return None

    def set_link(self, name: str, *, is_up: bool) -> None:
        """Plug a client's cable in or out.

        Raises:
            DeviceNotFound: There is no client of that name.
        """
        self.find(name).is_link_up = is_up

    def next_mac(self) -> str:
        """Return an address for an adapter that nobody gave one."""
        number = (FIRST_MAC & ~0xFF) | ((FIRST_MAC + self._macs) & 0xFF)
        self._macs += 1
        return number.to_bytes(6, "big").hex(":")

    def add_netdev(self, options: Mapping[str, str]) -> Client | None:
        """Make a back end, as ``-netdev`` and ``netdev_add`` do.

        Args:
            options: ``type``, ``id`` and what the type takes, as text.

        Returns:
            The client; nothing while it waits for another machine to connect, and is
            not there yet for anybody else.

        Raises:
            InvalidParameterValue: The id, the type or an option is none.
            DuplicateId: Another back end has the id.
            MissingParameter: Type or id is missing.
            InvalidParameter: An option is not for this type.
            DeviceInitFailed: It cannot be made; a note of the exception may tell why.
        """
        id_ = options.get("id")
        if id_ is not None:
            check_identifier(id_)
            if id_ in self._ids:
                raise DuplicateId(id=id_, object="netdev")
        kind = options.get("type")
        if kind is None:
            raise MissingParameter(name="type")
        if kind not in NETDEV_TYPES:
            raise InvalidParameterValue(name="type", expected="a netdev backend type")
        for name in ("vlan", "name"):
            if name in options:
                raise InvalidParameter(name=name)
        if id_ is None:
            raise MissingParameter(name="id")
        check_options(kind, options)
        client = self._make(kind, options, id_, None)
        self._ids.add(id_)
        return client

    def check_free(self, id_: str) -> None:
        """Look whether a back end may have an id.

        Raises:
            InvalidParameterValue: It is no identifier.
            GenericError: Another back end has it; QEMU 7.2's text.
        """
        check_identifier(id_)
        if id_ in self._ids:
            message = f"Duplicate ID '{id_}'"
            raise GenericError(message)

    def add_back_end(self, client: Client) -> None:
        """Enter a back end that is on no vlan, and that was made elsewhere."""
        self._ids.add(client.name)
        self._enter(client)

    def remove_netdev(self, id_: str) -> None:
        """Remove a back end.

        Raises:
            DeviceNotFound: There is none of that id.
        """
        client = self.back_end(id_)
        if client is not None:
            self.remove(client)
        elif id_ in self._ids and id_ in self._listeners:
            self._listeners.pop(id_).close()
        else:
            raise DeviceNotFound(device=id_)
        self._ids.discard(id_)

    def add_legacy(self, options: Mapping[str, str]) -> Client | NicRequest | None:
        """Do what ``-net`` does: note an adapter, or put a client on a vlan.

        Args:
            options: ``type`` and what the type takes, as text.

        Returns:
            The client; what the board is to make; nothing for ``none``, and for what
            waits for another machine to connect.

        Raises:
            MissingParameter: There is no type.
            InvalidParameterValue: There is no such type, or an option does not parse.
            InvalidParameter: An option is not for this type.
            DeviceInitFailed: It cannot be made; a note of the exception may tell why.
        """
        kind = options.get("type")
        if kind is None:
            raise MissingParameter(name="type")
        if kind not in OPTIONS:
            raise InvalidParameterValue(name="type", expected="a network client type")
        if kind == "nic":
            return self.note_nic(options)
        check_options(kind, options)
        number = read_number(options.get("vlan", "0")) or 0
        self.vlan(number)
        if kind == "none":
            return None
        return self._make(kind, options, options.get("id", options.get("name")), number)

    def note_nic(self, options: Mapping[str, str]) -> NicRequest:
        """Note an adapter that somebody is to make now; as `add_legacy` for a nic.

        Raises:
            CommandError: As `add_legacy`.
        """
        check_options("nic", options)
        number = None
        if "netdev" not in options:
            number = read_number(options.get("vlan", "0")) or 0
            self.vlan(number)
        return self._note_nic(options, options.get("id", options.get("name")), number)

    def _note_nic(
        self, options: Mapping[str, str], name: str | None, vlan: int | None
    ) -> NicRequest:
        try:
            if len(self.nics) >= MAX_NICS:
                message = "Too Many NICs"
                raise Failed(message)
            if "netdev" in options and self.back_end(options["netdev"]) is None:
                message = f"netdev '{options['netdev']}' not found"
                raise Failed(message)
            request = read_nic(options, name, vlan)
        except Failed as failed:
            raise init_failed("nic", failed) from failed
        if request.mac is None:
            request.mac = self.next_mac()
        self.nics.append(request)
        return request

    def _make(
        self, kind: str, options: Mapping[str, str], name: str | None, vlan: int | None
    ) -> Client | None:
        """Make a client of the host; none yet if it waits for another machine."""
        if len(self._listeners) + sum(1 for _ in self) >= MAX_CLIENTS:
            failed = Failed(f"there are {MAX_CLIENTS} network clients already")
            raise init_failed(kind, failed)
        client = Client(Kind.USER, kind, name or self._name(kind), vlan=vlan)
        listener = open_client(
            client,
            options,
            networks=self.user_networks(),
            on_link=partial(self._link, client),
        )
        if listener is not None:
            self._listeners[client.name] = listener
            return None
        self._enter(client)
        return client

    def _link(self, client: Client, link: SocketLink) -> None:
        """Enter a client now that the other machine has come."""
        self._listeners.pop(client.name, None)
        client.back_end, client.info = link, link.info
        self._enter(client)

    def _enter(self, client: Client) -> None:
        clients = self.others if client.vlan is None else self.vlan(client.vlan)
        clients.append(client)
        if client.kind is Kind.USER:
            self.users.append(client)

    def add_host_client(self, kind: str, options: Mapping[str, str]) -> None:
        """Do what ``host_net_add`` does.

        Raises:
            GenericError: That is no type of client of the host.
            CommandError: As `add_legacy`; one note more tells that it failed.
        """
        if not kind.startswith(HOST_TYPES):
            message = f"invalid host network device {kind}"
            raise GenericError(message)
        self.add_legacy({**options, "type": kind})

    def on_vlan(self, number: int, name: str) -> Client:
        """Return a client of a vlan.

        Raises:
            GenericError: There is no such vlan, or none of that name on it.
        """
        if number not in self.vlans:
            message = f"unknown VLAN {number}"
            raise GenericError(message)
        for client in self.vlans[number]:
            if client.name == name:
                return client
        message = f"can't find device {name} on VLAN {number}"
        raise GenericError(message)

    def remove_host_client(self, vlan: int, name: str) -> None:
        """Do what ``host_net_remove`` does.

        Raises:
            GenericError: There is no such client on that vlan, or it is an adapter.
        """
        client = self.on_vlan(vlan, name)
        if not client.model.startswith(HOST_TYPES):
            message = f"invalid host network device {name}"
            raise GenericError(message)
        self.remove(client)

    def add_adapter(
        self,
        model: str,
        id_: str | None,
        *,
        mac: str | None,
        vlan: int | None,
        netdev: str | None,
    ) -> Client:
        """Plug in a guest's adapter; called by the device tree.

        Args:
            model: Its model.
            id_: Its id, which is also its name here.
            mac: Its address; ``None`` for the next free one.
            vlan: The vlan that it is on.
            netdev: The back end that it is on, if it is on no vlan.
        """
        name = id_ if id_ is not None else self._name(model)
        client = Client(Kind.ADAPTER, model, name, mac=mac or self.next_mac())
        client.info = f"model={model},macaddr={client.mac}"
        if vlan is not None:
            client.vlan = vlan
            self.vlan(vlan).append(client)
            return client
        peer = self.back_end(netdev) if netdev is not None else None
        if peer is not None:
            client.peer, peer.peer = peer, client
        self.others.append(client)
        return client

    def remove(self, client: Client) -> None:
        """Take a client out; a peer stays, without one."""
        if client.peer is not None:
            client.peer.peer = None
            client.peer.former_peer = client
            client.peer = None
        if client.back_end is not None:
            client.back_end.close()
        if client.kind is Kind.USER:
            self.users.remove(client)
        (self.others if client.vlan is None else self.vlans[client.vlan]).remove(client)

    def user_networks(self) -> list[UserNetwork]:
        """Return what the user-mode networks are, in the order of `users`."""
        back_ends = [client.back_end for client in self.users]
        return [end for end in back_ends if isinstance(end, UserNetwork)]

    def _name(self, model: str) -> str:
        """Return a name after a model: QEMU counts those on vlans, and so it begins."""
        vlans = self.vlans.values()
        number = sum(client.model == model for clients in vlans for client in clients)
        taken = {client.name for client in self} | self._listeners.keys()
        while f"{model}.{number}" in taken:
            number += 1
        return f"{model}.{number}"

    def close(self) -> None:
        """Give back what clients have on the host."""
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
        for client in self:
            if client.back_end is not None:
                client.back_end.close()

    def state(self) -> dict[str, Any]:
        """Return which cables are plugged in, by the clients' names."""
        return {client.name: client.is_link_up for client in self}

    def restore(self, state: dict[str, Any]) -> None:
        """Take on what `state` returned; clients that are not here are the host's."""
        for client in self:
            if client.name in state:
                client.is_link_up = state[client.name]
