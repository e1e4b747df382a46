"""A SPICE server as far as monitors tell of it: nobody can connect to it."""

from typing import Final

from qmpx.machine.values import Value

VERSION: Final = "0.15.1"
"""The version of the library that QEMU 7.2 of Debian 12 has."""


class Spice(Value, frozen=True):
    """A server.

    Attributes:
        host: Where it listens; ``*`` for everywhere.
        port: Its port, if it has one without encryption.
        tls_port: Its port, if it has one with.
        auth: ``none``, ``spice`` or ``sasl``.
    """

    host: str
    port: int | None
    tls_port: int | None
    auth: str
