"""The messages of QMP, as the two sides hand them on.

What passes unread stays `msgspec.Raw`: a server does not read ids, nor arguments
before it knows the command, a client does not read what a command returned before it
knows what for.
"""

from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType, field


class Command(Struct, forbid_unknown_fields=True, gc=False):
    """A command as it came: which of its members may stand together is not checked.

    Attributes:
        execute: The name, if it is to run in its turn.
        exec_oob: The name, if it is to run out of band.
        execute_async: The name, if its reply may come after those of later commands.
        arguments: A JSON object, unread.
        id: Any JSON value, unread; it comes back with the reply. ``bytes`` is one that
            is spelled already.
    """

    execute: str | UnsetType = UNSET
    exec_oob: str | UnsetType = field(default=UNSET, name="exec-oob")
    arguments: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET
    execute_async: str | UnsetType = UNSET


class ErrorBody(Struct, gc=False):
    """What an error reply holds.

    Attributes:
        error_class: The class, such as ``GenericError``.
        desc: The description, for people.
        data: Particulars; only monitors before QEMU 1.2 send any.
    """

    error_class: str = field(default="GenericError", name="class")
    desc: str = ""
    data: Any = UNSET


class Timestamp(Struct, gc=False):
    """When an event happened, in host time since 1970; -1 where that is unknown."""

    seconds: int = -1
    microseconds: int = -1


class Greeting(Struct, gc=False):
    """The first message of a server.

    Attributes:
        version: Of the program that serves.
        capabilities: What a client may enable in `qmp_capabilities`.
    """

    version: Any = None
    capabilities: list[Any] = []


class ServerMessage(Struct, gc=False):
    """Anything that a server sends; members that we do not know are passed over.

    One of `greeting`, `returned`, `error` and `event` is set in a valid message.
    """

    returned: Raw | UnsetType = field(default=UNSET, name="return")
    id: Any = UNSET
    error: ErrorBody | UnsetType = UNSET
    event: str | UnsetType = UNSET
    data: Any = UNSET
    timestamp: Timestamp | UnsetType = UNSET
    greeting: Greeting | UnsetType = field(default=UNSET, name="QMP")
    sequence: Any = field(default=UNSET, name="x-qmpx-sequence")
