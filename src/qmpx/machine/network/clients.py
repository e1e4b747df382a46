"""Network clients: adapters of the guest and back ends of the host, and vlans."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Failed(Exception):
    """A client could not be made; the text, if any, is told to a person."""


class BackEnd(Protocol):
    """What a client has on the host."""

    def close(self) -> None:
        """Give it back."""


class Kind(Enum):
    """What a client is."""

    ADAPTER = "nic"
    USER = "user"
    SOCKET = "socket"
    DUMP = "dump"


@dataclass(slots=True, eq=False)
class Client:
    """Something that can be plugged into a vlan, or into another client.

    Attributes:
        kind: What it is.
        model: What `info network` names it after.
        name: Its name.
        info: What there is to say of it, for people.
        vlan: The number of the vlan that it is on; ``None`` if on none.
        hub: The number of the hub whose port it is, if it is one of ``-netdev``.
        peer: The client at the other end, if it is on no vlan.
        former_peer: The back end that it had, and that was removed. An adapter of
            QEMU 7.2 keeps what is left of it, and people are told of it.
        is_link_up: Whether the cable is plugged in.
        mac: Its address, if it is an adapter.
        back_end: What it has on the host.
    """

    kind: Kind
    model: str
    name: str
    info: str = ""
    vlan: int | None = None
    hub: int | None = None
    peer: "Client | None" = None
    former_peer: "Client | None" = None
    is_link_up: bool = True
    mac: str = ""
    back_end: BackEnd | None = None
