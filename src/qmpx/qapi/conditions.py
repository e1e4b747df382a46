"""When something is part of a schema: what QAPI calls ``if``."""

from collections.abc import Collection, Iterable
from typing import TypeAlias

from msgspec import Struct


class Defined(Struct, frozen=True):
    """A condition: the symbol is defined in this build."""

    symbol: str

    def holds(self, symbols: Collection[str]) -> bool:
        """Whether it is so, if just *symbols* are defined."""
        return self.symbol in symbols

    def __str__(self) -> str:
        return self.symbol


class AllOf(Struct, frozen=True):
    """A condition: all of these hold."""

    conditions: "tuple[Condition, ...]"

    def holds(self, symbols: Collection[str]) -> bool:
        """Whether it is so, if just *symbols* are defined."""
        return all(condition.holds(symbols) for condition in self.conditions)

    def __str__(self) -> str:
        return _joined(" and ", self.conditions)


class AnyOf(Struct, frozen=True):
    """A condition: one of these holds."""

    conditions: "tuple[Condition, ...]"

    def holds(self, symbols: Collection[str]) -> bool:
        """Whether it is so, if just *symbols* are defined."""
        return any(condition.holds(symbols) for condition in self.conditions)

    def __str__(self) -> str:
        return _joined(" or ", self.conditions)


class Not(Struct, frozen=True):
    """A condition: this one does not hold."""

    condition: "Condition"

    def holds(self, symbols: Collection[str]) -> bool:
        """Whether it is so, if just *symbols* are defined."""
        return not self.condition.holds(symbols)

    def __str__(self) -> str:
        return f"not {_in_brackets(self.condition)}"


Condition: TypeAlias = Defined | AllOf | AnyOf | Not
"""When something is there: what QAPI calls ``if``."""


def _joined(word: str, conditions: Iterable[Condition]) -> str:
    return word.join(_in_brackets(condition) for condition in conditions)


def _in_brackets(condition: Condition) -> str:
    # A single operand needs none: `{"all": ["A"]}` is just A.
    if isinstance(condition, AllOf | AnyOf) and len(condition.conditions) > 1:
        return f"({condition})"
    return str(condition)
