"""The commands of a shared monitor: there is an entry for every name."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Raw, UnsetType

from qmpx.monitor.deferred import Deferred
from qmpx.monitor.registry import CommandRegistry, Entry
from qmpx.monitor.session import Session

MAX_NAMES: Final = 1024
"""Commands whose entries are kept: more than QEMU has. Others are made each time."""

MAX_NAME: Final = 128
"""Most characters of their names: a client may send names of megabytes."""

LOCAL: Final = "x-qmpx-"
"""How the names of the gateway's own commands begin; no QEMU has such."""


class ForwardingEntries(dict[str, Entry]):
    """An entry for every name."""

    def __init__(
        self, own: CommandRegistry, entry_for: Callable[[str], tuple[Entry, bool]]
    ) -> None:
        super().__init__(own.entries)
        self._entry_for = entry_for

    def get(self, name: Any, default: Any = None) -> Any:
        """Return the entry of a command, made now if need be."""
        entry = super().get(name)
        if entry is None:
            if not isinstance(name, str):
                return default  # a message without the member
            entry, may_be_kept = self._entry_for(name)
            may_be_kept = may_be_kept and len(name) <= MAX_NAME
            if may_be_kept and len(self) < MAX_NAMES:
                self[name] = entry
        return entry


class PassingEntry(Entry):
    """A command that another monitor runs."""

    __slots__ = ()

    def __init__(
        self,
        name: str,
        forward: Callable[[Session, str, Raw | UnsetType], Deferred],
    ) -> None:
        super().__init__(name, forward, allow_oob=True, signature=_Unread())

        def invoke(session: Any, arguments: Raw | UnsetType) -> Deferred:
            return forward(session, name, arguments)

        self.invoke = invoke


class LocalEntry(Entry):
    """A command of the gateway's own, for those whose roles allow it."""

    __slots__ = ()

    def __init__(
        self, entry: Entry, run: Callable[[Session, Entry, Raw | UnsetType], Any]
    ) -> None:
        for slot in Entry.__slots__:
            setattr(self, slot, getattr(entry, slot))

        def invoke(session: Any, arguments: Raw | UnsetType) -> Any:
            return run(session, entry, arguments)

        self.invoke = invoke


class _Unread:
    """What is passed on has no signature of ours."""

    positional: list[Any] = []  # noqa: RUF012 - never written
    members: list[Any] = []  # noqa: RUF012
    is_async = True

    def read(self, arguments: Raw | UnsetType) -> dict[str, Any]:
        """Return nothing: see `_ForwardedEntry`."""
        return {"arguments": arguments}

    def encode(self, value: Any) -> bytes:
        """Return the value: it is encoded."""
        return bytes(value)
