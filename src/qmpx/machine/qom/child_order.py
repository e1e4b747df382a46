"""The order in which QEMU tells of the children of an object.

Children are kept in a hash table of GLib. Whoever goes through it puts what comes
next before what came: the last place of the table is told of first. A new child takes
the place that its name leads to, or one behind it if that is taken, and the table grows
when it is full. What was removed before leaves no traces here, as it may in QEMU.

Source: QEMU 7.2.22 with GLib 2.74, observed.
"""

from collections.abc import Iterable
from typing import Final

_SMALLEST: Final = 3
_PRIMES: Final = (1, 2, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381)
_WORD: Final = 2**32
_SPREAD: Final = 11
_ROOM: Final = 1.333

_Places = list[str | None]


def as_listed(names: Iterable[str]) -> list[str]:
    """Return names in the order in which QEMU lists children that are called so.

    Args:
        names: In the order in which they came.
    """
    places: _Places = [None] * (1 << _SMALLEST)
    for count, name in enumerate(names, start=1):
        places[_free_place(places, name)] = name
        if len(places) <= count + count // 16:
            places = _grown(places, int(count * _ROOM))
    return [name for name in reversed(places) if name is not None]


def _first_place(name: str, places: int) -> int:
    value = 5381
    for byte in name.encode("utf-8", "surrogatepass"):
        value = (value * 33 + byte - (byte >> 7) * 256) % _WORD
    bits = min(places.bit_length(), len(_PRIMES)) - 1
    return value * _SPREAD % _WORD % _PRIMES[bits]


def _free_place(places: _Places, name: str) -> int:
    place, step = _first_place(name, len(places)), 0
    while places[place] is not None:
        step += 1
        place = (place + step) % len(places)
    return place


def _grown(places: _Places, size: int) -> _Places:
    """Return a larger table: each name in turn moves, and drives out who is there."""
    before = len(places)
    after = [*places, *[None] * ((1 << size.bit_length()) - before)]
    settled: set[int] = set()
    for place in range(before):
        moving = after[place]
        if moving is None or place in settled:
            continue
        after[place] = None
        while moving is not None:
            goal, step = _first_place(moving, len(after)), 0
            while goal in settled:
                step += 1
                goal = (goal + step) % len(after)
            settled.add(goal)
            moving, after[goal] = after[goal], moving
    return after
