"""What clients did at one monitor, and what they were not let do.

A command that changes something is announced (``intent``) before it goes on its way, so
that no crash can hide it, and its outcome is a line of its own. One that only reads is
one line (``answered``), gathered with others. If a line cannot be written, commands
that change something are refused, and the others go on.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET, Raw, UnsetType

from qmpx.errors import GenericError
from qmpx.gateway.access.identity import Identity
from qmpx.gateway.audit.chain import AuditError, Line, Who
from qmpx.gateway.audit.shortening import (
    short,
    shown_arguments,
)
from qmpx.gateway.policy import AUTHENTICATE, Decision, Role
from qmpx.gateway.policy.effects import changes
from qmpx.gateway.settings.records import AuditSettings
from qmpx.gateway.sharing.client import Client
from qmpx.gateway.sharing.observing import Bystander
from qmpx.gateway.sharing.own_events import LEASE_CHANGED
from qmpx.gateway.sharing.rates import Sparing

TURNED: Final = 20.0
"""Lines a second for those who are not let in; a flood of them fills no disk."""

TURNED_INTERVAL: Final = 1.0
"""Seconds after which those are counted in one line that had none of their own."""

MAX_OPEN: Final = 4096
"""Announced commands whose outcome is awaited: many times what is in flight at once.
With still more, that of the oldest has no reference to its announcement."""


class Book(Protocol):
    """Has the lines: an `Audit`.

    Attributes:
        refused: Commands that were refused because they could not be announced.
    """

    refused: int

    @property
    def settings(self) -> AuditSettings:
        """What is written, and where."""

    @property
    def path(self) -> str:
        """The file that is written to."""

    def announce(self, line: Line) -> int:
        """Write a line before what it tells of happens; return its number.

        Raises:
            AuditError: That is not possible.
        """

    def tell(self, line: Line) -> None:
        """Write a line soon."""


class AuditObserver(Bystander):
    """Tells an audit what happens at one monitor.

    Args:
        audit: The audit.
        upstream: The monitor's name.
    """

    def __init__(self, audit: Book, upstream: str) -> None:
        self._audit = audit
        self._upstream = upstream
        self._open: dict[tuple[int, str, int], deque[tuple[str, int]]] = {}
        self._known: dict[int, tuple[Identity, Role, Who]] = {}
        self._turned = Sparing(TURNED)
        self._turned_timer: asyncio.TimerHandle | None = None

    def connected(self, client: Client) -> None:
        """Write that a client has come."""
        self._tell("connected", client, more=_origin(client.identity))

    def begun(self, clients: Iterable[Client]) -> None:
        """Write who is there when a file begins that does not tell how they came."""
        reason = "it was here before this file"
        for client in clients:
            more = _origin(client.identity)
            self._tell("connected", client, reason=reason, more=more)

    def disconnected(self, client: Client, reason: str) -> None:
        """Write that a client has gone."""
        self._tell("disconnected", client, reason=reason)
        self._known.pop(client.number, None)

    def identified(self, client: Client) -> None:
        """Write who a client has shown to be."""
        self._tell("identified", client)

    def turned_away(self, identity: Identity, listener: str, reason: str) -> None:
        """Write that somebody was not let in; of very many, how many there were."""
        loop = asyncio.get_running_loop()
        if not self._turned.take(loop.time()):
            if self._turned_timer is None:
                self._turned_timer = loop.call_later(TURNED_INTERVAL, self._tell_rest)
            return
        who = Who(short(f"{identity.kind}:{identity.name}"), "", 0, listener)
        more = _origin(identity) or UNSET
        line = Line(0, "", "", "turned-away", self._upstream, who)
        line.reason, line.more = reason, more
        self._audit.tell(line)

    def _tell_rest(self) -> None:
        self._turned_timer = None
        if count := self._turned.omitted():
            more = {"count": count}
            line = Line(0, "", "", "turned-away", self._upstream, more=more)
            line.reason = "too many to tell of each"
            self._audit.tell(line)

    def decided(
        self, client: Client, name: str, arguments: Raw | UnsetType, decision: Decision
    ) -> None:
        """Write down a refusal, or what is about to be changed.

        Raises:
            GenericError: What changes something cannot be announced.
        """
        if not decision.is_allowed:
            self._tell("refused", client, **_of_command(name, arguments, decision))
        elif changes(name, arguments):
            line = self._line(
                "intent", client, **_of_command(name, arguments, decision)
            )
            try:
                number = self._audit.announce(line)
            except AuditError as error:
                self._audit.refused += 1
                message = (
                    "The gateway cannot write its audit, so commands that change "
                    f"something are refused: {error}"
                )
                raise GenericError(message) from None
            key = client.number, name, id(arguments)
            place = self._audit.path, number
            self._open.setdefault(key, deque()).append(place)
            if len(self._open) > MAX_OPEN:
                self._open.pop(next(iter(self._open)))

    def answered(
        self,
        client: Client,
        name: str,
        arguments: Raw | UnsetType,
        decision: Decision,
        outcome: str,
        seconds: float,
    ) -> None:
        """Write down how a command ended."""
        line = Line(0, "", "", "answered", self._upstream, self._who_of(client), name)
        line.outcome = outcome
        line.seconds = round(seconds, 6)
        if changes(name, arguments):
            key = client.number, name, id(arguments)
            places = self._open.get(key)
            line.kind = "outcome"
            if places:
                path, line.intent = places.popleft()
                if path != self._audit.path:  # which was changed meanwhile
                    line.more = {"file": path}
            if not places:
                self._open.pop(key, None)
            self._audit.tell(line)
        elif self._audit.settings.reads or name == AUTHENTICATE:
            line.arguments = shown_arguments(name, arguments)
            line.verdict = decision.verdict
            line.rule = decision.rule
            line.reason = decision.reason
            self._audit.tell(line)

    def event(
        self,
        sequence: int,  # noqa: ARG002 - as all observers
        name: str,
        data: Raw | UnsetType,
        message: bytes,  # noqa: ARG002
    ) -> None:
        """Write that a lease begins or ends; other events are the monitor's doing."""
        if name == LEASE_CHANGED and data is not UNSET:
            self._tell("lease", None, more=msgspec.json.decode(bytes(data)))

    def upstream_changed(self, state: str, reason: str) -> None:
        """Write that the monitor was found or lost."""
        self._tell("upstream", None, reason=reason, more={"state": state})

    def _tell(self, kind: str, client: Client | None, **members: Any) -> None:
        self._audit.tell(self._line(kind, client, **members))

    def _line(self, kind: str, client: Client | None, **members: Any) -> Line:
        who = UNSET if client is None else self._who_of(client)
        return Line(0, "", "", kind, self._upstream, who, **members)

    def _who_of(self, client: Client) -> Who:
        """Return who a client is; made once for each identity and role it has."""
        identity, role = client.identity, client.role
        known = self._known.get(client.number)
        if known is None or known[0] is not identity or known[1] is not role:
            name = short(f"{identity.kind}:{identity.name}")
            who = Who(name, role.name, client.number, client.listener)
            known = identity, role, who
            if client.session.channel is not None:  # it has not gone
                self._known[client.number] = known
        return known[2]


def _origin(identity: Identity) -> dict[str, Any]:
    found = {"uid": identity.uid, "gid": identity.gid, "pid": identity.pid}
    return {name: value for name, value in found.items() if value is not None}


def _of_command(
    name: str, arguments: Raw | UnsetType, decision: Decision
) -> dict[str, Any]:
    return {
        "command": name,
        "arguments": shown_arguments(name, arguments),
        "verdict": decision.verdict,
        "rule": decision.rule,
        "reason": decision.reason,
    }
