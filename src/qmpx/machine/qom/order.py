"""The order in which QEMU goes through what it was given by name.

It keeps such things in a table of a fixed number of places, and goes through the table;
so it does not depend on the order in which they came, but for names that share a place,
of which the latest comes first. Which of several wrong properties is told of depends on
it.

Source: QEMU 7.2.22, observed; the function is that of Samba's TDB.
"""

from collections.abc import Iterable
from typing import Final

_PLACES: Final = 512
_WORD: Final = 2**32


def in_table_order(names: Iterable[str]) -> list[str]:
    """Return names in the order in which QEMU goes through them."""
    given = list(names)
    places = {name: (_hash(name) % _PLACES, -at) for at, name in enumerate(given)}
    return sorted(given, key=places.__getitem__)


def _hash(name: str) -> int:
    data = name.encode("utf-8", "surrogatepass")
    value = 0x238F13AF * len(data)
    for at, byte in enumerate(data):
        value += byte << (at * 5 % 24)
    return (1103515243 * value + 12345) % _WORD
