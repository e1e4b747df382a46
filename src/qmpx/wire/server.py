"""The server's half of a QMP conversation: what may be said when.

A session reads a client's bytes, admits or refuses each item, and spells the replies.
It runs nothing and knows no commands but ``qmp_capabilities``; whoever drives it does
this, in a loop::

    session.reader.feed(data)
    while items := session.reader.take():
        for item in items:
            command = session.admit(item)      # a Command, or Refused
            ...
            write(RETURN + encoded_value + end_of_reply(command.id))

Source: QMP specification, sections 2 and 3, and observations of QEMU 7.2 where it is
silent (the order of the checks, the texts).
"""

import enum
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from msgspec import UNSET, Raw, UnsetType

from qmpx.errors import (
    CommandError,
    CommandNotFound,
    GenericError,
    JSONParsing,
    NegotiationError,
    QMPBadInputObject,
    QMPBadInputObjectMember,
    QMPExtraInputObjectMember,
)
from qmpx.wire.encode import encode_exactly, encode_plainly, encode_string
from qmpx.wire.framing import MODERN_JSON, CommandReader, Item, Json, spell_id
from qmpx.wire.messages import Command
from qmpx.wire.outcomes import Limits, Malformed, Parsed

QMP_CAPABILITIES: Final = "qmp_capabilities"
OOB: Final = "oob"
"""The capability to send commands that overtake: QEMU's."""

ASYNC: Final = "async"
"""The capability to send commands whose replies may be overtaken: qmpx's own, as the
talk of 2010 proposed it."""

Id = Raw | bytes | UnsetType


class Phase(enum.Enum):
    """Where a conversation stands."""

    NEGOTIATING = "negotiating"
    READY = "ready"


class Rules(NamedTuple):
    """What differs between the monitors of different years.

    Attributes:
        refuse_early: The error for a command, by its name, before negotiation.
        refuse_again: The error for a second negotiation.
        faults_carry_id: Whether a fault in the request object is answered with its id.
        not_found: The error for a command that there is not, by its name.
        lets_overtake: Whether the reply of a handler that is declared asynchronous may
            be overtaken though the client did not ask for that.
        json: How JSON is read and spelled.
    """

    refuse_early: Callable[[str], CommandError]
    refuse_again: Callable[[], CommandError]
    faults_carry_id: bool
    not_found: Callable[[str], CommandError] = lambda name: CommandNotFound(name=name)
    lets_overtake: bool = False
    json: Json = MODERN_JSON


MODERN_RULES: Final = Rules(
    lambda _: NegotiationError(
        "Expecting capabilities negotiation with 'qmp_capabilities'"
    ),
    lambda: NegotiationError(
        "Capabilities negotiation is already complete, command ignored"
    ),
    faults_carry_id=True,
)

# Whether (qmp_capabilities, anything else) may run in each phase. That the second
# negotiation may run is so: it refuses itself, once its arguments are checked.
_ALLOWED: Final = {
    (Phase.NEGOTIATING, True): True,
    (Phase.NEGOTIATING, False): False,
    (Phase.READY, True): True,
    (Phase.READY, False): True,
}


class Refused(NamedTuple):
    """What came cannot be run.

    Attributes:
        error: Why.
        id: The id to reply with; a fault found in reading never has one.
    """

    error: CommandError
    id: Id


class ServerSession:
    """One conversation, as its server sees it.

    Args:
        offered: Capabilities that the greeting offers.
        limits: What one unfinished message may come to.
        rules: Those of which year.
    """

    __slots__ = ("enabled", "offered", "phase", "reader", "rules")

    def __init__(
        self,
        offered: tuple[str, ...] = (OOB,),
        limits: Limits = Limits(),  # noqa: B008 - immutable
        rules: Rules = MODERN_RULES,
    ) -> None:
        self.offered = offered
        self.rules = rules
        self.enabled: frozenset[str] = frozenset()
        self.phase = Phase.NEGOTIATING
        self.reader = CommandReader(limits, rules.json)

    def greeting(self, version: Any) -> bytes:
        """Return the first line to send.

        Args:
            version: The object that ``query-version`` returns.
        """
        body = {"QMP": {"version": version, "capabilities": self.offered}}
        return self.rules.json.encode(body) + b"\r\n"

    def negotiate(self, enable: list[str]) -> None:
        """Carry out ``qmp_capabilities``: enable some capabilities, enter command mode.

        Raises:
            GenericError: A capability was not offered; nothing is changed.
            CommandError: That has been done before.
        """
        for name in enable:
            if name not in self.offered:
                # An element of a list has no name, and QEMU says so.
                message = f"Parameter 'null' does not accept value '{name}'"
                raise GenericError(message)
        if self.phase is Phase.READY:
            raise self.rules.refuse_again()
        self.enabled = frozenset(enable)
        self.phase = Phase.READY

    def is_out_of_band(self, item: Item) -> bool:
        """Whether *item* may overtake: it has ``exec-oob``, and no ``execute``."""
        if OOB not in self.enabled:
            return False
        if isinstance(item, Command):
            return item.exec_oob is not UNSET and item.execute is UNSET
        return (
            isinstance(item, Parsed)
            and isinstance(item.value, dict)
            and "exec-oob" in item.value
            and "execute" not in item.value
        )

    def admit(self, item: Item) -> Command | Refused:
        """Return the command in *item*, well-formed and allowed in this phase.

        Whether it exists, may run out of band and has the right arguments is for the
        registry of commands to say.
        """
        if isinstance(item, Malformed):
            return Refused(JSONParsing(item.desc), UNSET)
        command = item if isinstance(item, Command) else self._read_object(item.value)
        if isinstance(command, Refused):
            return self._without_id(command)
        fault = self._find_fault(command)
        if fault is not None:
            return self._without_id(Refused(fault, command.id))
        name = command.execute
        if not _ALLOWED[self.phase, name == QMP_CAPABILITIES]:
            return Refused(self.rules.refuse_early(str(name)), command.id)
        return command

    def _without_id(self, refused: Refused) -> Refused:
        return refused if self.rules.faults_carry_id else Refused(refused.error, UNSET)

    def _find_fault(self, command: Command) -> CommandError | None:
        """Return what is wrong with a command whose members are all known."""
        asked = list[str]()
        # In the order in which `json.order` has them.
        for member, value, capability in (
            ("exec-oob", command.exec_oob, OOB),
            ("execute", command.execute, None),
            ("execute_async", command.execute_async, ASYNC),
        ):
            if value is UNSET:
                continue
            if capability is not None and capability not in self.enabled:
                return QMPExtraInputObjectMember(member=member)
            if asked:
                return _clash(member, asked[0])
            asked.append(member)
        if (
            command.arguments is not UNSET
            and bytes(memoryview(command.arguments)[:1]) != b"{"
        ):
            return QMPBadInputObjectMember(member="arguments", expected="object")
        return None if asked else QMPBadInputObject(expected="execute")

    def _read_object(self, value: Any) -> Command | Refused:
        """Return the command that a parsed value stands for, in plain JSON."""
        if not isinstance(value, dict):
            return Refused(QMPBadInputObject(expected="object"), UNSET)
        json = self.rules.json
        id_: Id = UNSET
        if "id" in value:
            id_ = (json.spell_id or encode_exactly)(value["id"])
        command = Command(id=id_)  # type: ignore[arg-type]
        ways = {"execute"} | {
            name
            for name, capability in (("exec-oob", OOB), ("execute_async", ASYNC))
            if capability in self.enabled
        }
        asked = list[str]()
        for name in json.order(value):
            match name, value[name]:
                case _, _ if name in ways and asked:
                    return Refused(_clash(name, asked[0]), id_)
                case _, str(text) if name in ways:
                    asked.append(name)
                    setattr(command, name.replace("-", "_"), text)
                case _, _ if name in ways:
                    fault = QMPBadInputObjectMember(member=name, expected="string")
                    return Refused(fault, id_)
                case "arguments", dict(members):
                    command.arguments = Raw(encode_plainly(members))
                case "arguments", _:
                    fault = QMPBadInputObjectMember(member=name, expected="object")
                    return Refused(fault, id_)
                case "id", _:
                    pass
                case _:
                    return Refused(QMPExtraInputObjectMember(member=name), id_)
        return command


def _clash(member: str, other: str) -> GenericError:
    return GenericError(f"QMP input member '{member}' clashes with '{other}'")


RETURN: Final = b'{"return": '
"""How the reply to a command that was done begins; then comes what it returned."""


def end_of_reply(id_: Id) -> bytes:
    """Return what comes behind the returned value.

    A reply is sent in these three pieces, so that a large value is not copied.

    Args:
        id_: The command's id.
    """
    if id_ is UNSET:
        return b"}\r\n"
    text = bytes(id_)
    if not text.isdigit() or len(text) > 18:  # what nearly every client sends
        text = spell_id(id_)
    return b', "id": %b}\r\n' % text


def failure(id_: Id, body: bytes) -> bytes:
    """Return the reply to a command that was refused or went wrong.

    Args:
        id_: The command's id.
        body: The error as the dialect shows it, encoded.
    """
    if id_ is UNSET:
        return b'{"error": %b}\r\n' % body
    return b'{"id": %b, "error": %b}\r\n' % (spell_id(id_), body)


def event(name: str, data: bytes | None, microseconds: int) -> bytes:
    """Return an event as it goes to every session.

    Args:
        name: Its name, in capitals.
        data: Its data, an encoded object; ``None`` for an event without data.
        microseconds: When it happened, in host time since 1970.
    """
    seconds, rest = divmod(microseconds, 1_000_000)
    stamp = f'{{"seconds": {seconds}, "microseconds": {rest}}}'
    text = f'{{"timestamp": {stamp}, "event": {encode_string(name)}'.encode()
    return text + (b"}\r\n" if data is None else b', "data": %b}\r\n' % data)
