"""Whose turn it is: one for each client, round and round. Pure."""

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Things that wait, taken from those who brought them in turn.

    However much one brings, another waits for one thing of each at most.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[T]] = {}  # whose turn is next comes first

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, owner: Hashable, thing: T) -> None:
        """Let *thing* wait, behind what its owner brought before."""
        self._waiting.setdefault(owner, deque()).append(thing)

    def take(self) -> T:
        """Return the next thing; its owner is then the last in the round.

        Raises:
            IndexError: Nothing waits.
        """
        if not self._waiting:
            message = "nothing waits"
            raise IndexError(message)
        owner = next(iter(self._waiting))
        things = self._waiting.pop(owner)
        thing = things.popleft()
        if things:
            self._waiting[owner] = things
        return thing

    def forget(self, owner: Hashable) -> list[T]:
        """Return what *owner* brought, which waits no longer."""
        return list(self._waiting.pop(owner, ()))

    def discard(self, thing: T) -> None:
        """Let *thing* wait no longer, if it does."""
        for owner, things in self._waiting.items():
            if thing in things:
                things.remove(thing)
                if not things:
                    del self._waiting[owner]
                return

    def __iter__(self) -> Iterator[T]:
        for things in self._waiting.values():
            yield from things

    def clear(self) -> list[T]:
        """Return all that waits, by owner; nothing waits then."""
        things = list(self)
        self._waiting.clear()
        return things
