"""Which command a reply answers, of those that one client has sent."""

from collections import deque
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from qmpx.standin.faults.commands import arguments_of, id_of, name_of
from qmpx.standin.faults.fault import Fault
from qmpx.wire.encode import encode_plainly
from qmpx.wire.framing import Item, read_json

MAX_AWAITED: Final = 65536
"""Commands of one client whose replies are awaited, as many as a client of ours has in
flight; the replies to more are passed on as they are."""

_spell: Final = msgspec.json.Encoder(order="sorted").encode


class Awaited:
    """A command whose reply is yet to come.

    Args:
        item: The command.
        faults: The faults that have set in for it.

    Attributes:
        name: Its name.
        id: Its id, from `read_id`; ``UNSET`` if it has none.
        arguments: Its arguments, where a fault may ask for them.
        faults: The faults by their names.
        seen: Names of the events since it was its turn.
    """

    __slots__ = ("arguments", "faults", "id", "name", "seen")

    def __init__(self, item: Item, faults: list[Fault]) -> None:
        self.name = name_of(item)
        self.id = read_id(id_of(item))
        self.arguments = arguments_of(item) if faults else None
        self.faults = {fault.kind.name: fault for fault in faults}
        self.seen: set[str] = set()


class AwaitedReplies:
    """The commands of one client that are yet to be answered, in their order."""

    __slots__ = ("_commands",)

    def __init__(self) -> None:
        self._commands: deque[Awaited] = deque()

    @property
    def first(self) -> Awaited | None:
        """The command that is run: those behind it were read, perhaps, but wait."""
        return self._commands[0] if self._commands else None

    def add(self, item: Item, faults: list[Fault]) -> None:
        """Note a command that was read; beyond `MAX_AWAITED` it is passed over."""
        if len(self._commands) < MAX_AWAITED:
            self._commands.append(Awaited(item, faults))

    def answered_by(self, id_: bytes | UnsetType) -> Awaited | None:
        """Return the command that a reply belongs to, which is not awaited any more.

        Args:
            id_: The reply's id, from `read_id`; ``UNSET`` if it has none.
        """
        for awaited in self._commands:
            if awaited.id == id_:
                self._commands.remove(awaited)
                return awaited
        # A fault in the request itself is answered without an id, in some years.
        return self._commands.popleft() if id_ is UNSET and self._commands else None


def read_id(id_: Raw | bytes | UnsetType) -> bytes | UnsetType:
    """Return what an id stands for, spelled in one way whoever has spelled it.

    Args:
        id_: As it was read; ``UNSET`` if there is none.
    """
    if id_ is UNSET:
        return UNSET
    try:
        return _spell(msgspec.json.decode(id_))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return bytes(id_)  # too large a number, say: it comes back as it came
    except RecursionError:
        return encode_plainly(read_json(bytes(id_)))
