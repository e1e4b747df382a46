"""The network of a machine: adapters, back ends, vlans and links."""

from qmpx.machine.network.clients import Client
from qmpx.machine.network.network import Network

__all__ = ["Client", "Network"]
