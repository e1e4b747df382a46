"""Answers that stay the same for as long as a monitor's program runs.

Such a command is passed on once; later ones get the same bytes at once. What is kept is
forgotten when the connection is lost: what comes back may be another program. Errors
are never kept, and neither is what is asked with arguments or out of band.
"""

from collections.abc import Collection, Mapping
from typing import Final

from msgspec import UNSET, Raw, UnsetType

UNCHANGING: Final[Mapping[str, str]] = {
    "query-version": "it is compiled in",
    "query-qmp-schema": "it is compiled in; nothing adds to it at run time",
    "query-commands": "the table of commands is complete before a monitor answers",
    "query-command-line-options": "it is compiled in",
    "query-target": "it is compiled in: a program emulates one architecture",
    "query-name": "it is the option -name; no command changes it",
    "query-uuid": "it is the option -uuid; no command changes it",
    "query-kvm": "the accelerator is chosen before the machine is made",
    "query-accelerators": "the same",
    "query-machines": "the types of machines are compiled in",
    "query-gic-capabilities": "it is what the host's kernel can do",
    "query-sev-capabilities": "it is what the host's processor can do",
    "query-sgx-capabilities": "the same",
    "query-tpm-models": "they are compiled in",
    "query-tpm-types": "they are compiled in",
    "query-chardev-backends": "they are compiled in",
}
"""The commands, each with the reason why its answer does not change.

Not here although it may seem so: ``query-cpu-definitions`` (an error before the machine
is made), ``qom-list-types`` (modules add types when they are loaded),
``query-vm-generation-id`` and ``query-memory-size-summary`` (they change).

Source: QEMU 7.2, observed; those of later releases by their documentation.
"""

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
