"""What ``-net nic`` asks for; the board makes the adapter of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from qmpx.machine.devices.properties import BadValue, parse_mac
from qmpx.machine.network.clients import Failed
from qmpx.machine.network.options import read_number

_MAX_VECTORS: Final = 0x7FFFFFF


@dataclass(slots=True)
class NicRequest:
    """An adapter that is to be made.

    Attributes:
        name: Its name; ``None`` for one after its model.
        model: Short name of its model; ``None`` for the board's usual one.
        mac: Its address; ``None`` for the next free one.
        address: The slot that it is to be in, as ``pci_add`` writes it.
        vlan: The vlan that it is on.
        netdev: The back end that it is on, if it is on no vlan.
        vectors: Its interrupt vectors, where a model has them.
    """

    name: str | None
    model: str | None
    mac: str | None
    address: str | None
    vlan: int | None
    netdev: str | None
    vectors: int | None


def read_nic(
    options: Mapping[str, str], name: str | None, vlan: int | None
) -> NicRequest:
    """Read the options of ``-net nic``.

    Raises:
        Failed: The address, or the number of vectors, is none.
    """
    mac = None
    if "macaddr" in options:
        try:
            mac = parse_mac(options["macaddr"])
        except BadValue:
            message = "invalid syntax for ethernet address"
            raise Failed(message) from None
    vectors = None
    if "vectors" in options:
        vectors = read_number(options["vectors"]) or 0
        if vectors > _MAX_VECTORS:
            message = f"invalid # of vectors: {vectors}"
            raise Failed(message)
    return NicRequest(
        name,
        options.get("model"),
        mac,
        options.get("addr"),
        vlan,
        options.get("netdev"),
        vectors,
    )
