"""Plain values: what dataclasses would be, but made in a fortieth of the time.

A machine has very many kinds of them, and each dataclass costs a program that starts
half a millisecond. So this one module knows `msgspec`, for its `Struct`: the machine
neither reads JSON with it nor writes any.
"""

from msgspec import Struct, field
from msgspec.structs import replace

__all__ = ["Changeable", "Value", "changed", "field"]

changed = replace
"""Return a value that differs from another one in what is named."""


class Value(Struct, frozen=True):
    """A value that never changes; extend it by a line for each attribute.

    Type checkers need ``frozen=True`` said again.
    """


class Changeable(Struct):
    """What is made of values, and may get others; else as `Value`."""
