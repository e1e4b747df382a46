"""The order in which QEMU goes through the members of an object: that of a hash.

From it follows which of several faults of a message it tells, then and now.

Source: QEMU 0.13 and 7.2, observed.
"""

from collections.abc import Iterable
from typing import Final

MAX_ORDERS: Final = 1024
"""Orders of members that are remembered: more than the answers of 0.13 have."""

MAX_NAMES: Final = 1024
"""Characters of the names of members whose order is remembered: a client, who may send
any names, must not fill the memory with them."""

_BUCKETS: Final = 512
_orders: dict[tuple[str, ...], tuple[str, ...]] = {}


def bucket(name: str) -> int:
    """Return the place of a member in QEMU's dictionaries."""
    key = name.encode(errors="surrogatepass")
    value = 0x238F13AF * len(key)
    for index, byte in enumerate(key):
        value += byte << (index * 5 % 24)
    return (1103515243 * value + 12345 & 0xFFFFFFFF) % _BUCKETS


def order(names: Iterable[str]) -> tuple[str, ...]:
    """Return the order in which QEMU goes through members that came in this order."""
    names = tuple(names)
    known = _orders.get(names)
    if known is None:
        newest_first = names[::-1]  # which stays so within a bucket
        known = tuple(sorted(newest_first, key=bucket))
        if len(_orders) < MAX_ORDERS and sum(map(len, names)) <= MAX_NAMES:
            _orders[names] = known
    return known
