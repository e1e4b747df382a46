"""Answers that stay the same for as long as a monitor's program runs.

Such a command is passed on once; later ones get the same bytes at once. What is kept is
forgotten when the connection is lost: what comes back may be another program. Errors
are never kept, and neither is what is asked with arguments or out of band.
"""

from collections.abc import Collection
from typing import Final

from msgspec import UNSET, Raw, UnsetType

from qmpx.gateway.settings.unchanging import UNCHANGING

MAX_KEPT: Final = 4 * 1024 * 1024
"""Bytes of answers that are kept for one monitor: twelve times what all of QEMU 9.2's
come to. An answer that does not fit is passed on each time."""


class UnchangingAnswers:
    """What a monitor has said once and for all.

    Args:
        names: The commands whose answers are kept; of `UNCHANGING`.

    Attributes:
        hits: How many commands were answered from here.
    """

    __slots__ = ("_answers", "_names", "_size", "hits")

    def __init__(self, names: Collection[str] = UNCHANGING) -> None:
        self._names = names
        self._answers: dict[str, bytes] = {}
        self._size = 0
        self.hits = 0

    def recall(self, name: str, arguments: Raw | UnsetType) -> bytes | None:
        """Return the answer to a command, encoded, if it is known.

        Args:
            name: The command.
            arguments: As they came; with any there is no answer.
        """
        answer = self._answers.get(name)
        if answer is None or not _is_empty(arguments):
            return None
        self.hits += 1
        return answer

    def learn(self, name: str, arguments: Raw | UnsetType, value: bytes) -> None:
        """Note what a command returned, if it is to be kept."""
        if name not in self._names or name in self._answers or not _is_empty(arguments):
            return
        if self._size + len(value) <= MAX_KEPT:
            self._answers[name] = value
            self._size += len(value)

    def forget(self) -> None:
        """Forget all: another program may answer now."""
        self._answers.clear()
        self._size = 0


def _is_empty(arguments: Raw | UnsetType) -> bool:
    if arguments is UNSET:
        return True
    text = bytes(memoryview(arguments)[:8])
    return text.translate(None, b" \t\r\n") == b"{}"
