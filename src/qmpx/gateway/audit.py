"""What clients did, and what they were not let do: an observer that writes it down.

A command that changes something is announced (``intent``) before it goes on its way, so
that no crash can hide it, and its outcome is a line of its own. One that only reads is
one line (``answered``), gathered with others. If a line cannot be written, commands
that change something are refused, and the others go on: see `Audit.lost`.
"""

import asyncio
import logging
import os
from collections import deque
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from qmpx.errors import GenericError
from qmpx.gateway.audit_file import MAX_SIZE, AuditFile
from qmpx.gateway.chain import AuditError, Line, Who, digest_of
from qmpx.gateway.client import Client
from qmpx.gateway.effects import changes
from qmpx.gateway.identity import Identity
from qmpx.gateway.lease import CHANGED as LEASE_CHANGED
from qmpx.gateway.observing import Bystander
from qmpx.gateway.policy import AUTHENTICATE, Decision, Role
from qmpx.gateway.sparing import Sparing
from qmpx.transcript.redaction import without_secrets

MAX_ARGUMENTS: Final = 16 * 1024
"""Bytes of arguments that a line has in full, encoded; of larger ones it has the size
and the hash. A ``blockdev-add`` has some hundred."""

MAX_TEXT: Final = 512
"""Most characters of a name or of a reason in a line: a client chooses what it calls a
command, and its certificate what it is called. Of longer ones the line has the
beginning, the length and the hash."""

GATHER: Final = 0.1
"""Seconds in which lines are gathered that announce nothing: what a crash may take."""

SYNC_INTERVAL: Final = 1.0
"""Seconds between two calls of ``fdatasync`` with ``sync = "interval"``: what a loss of
power may take. The end of the process alone takes nothing that was written."""

TURNED: Final = 20.0
"""Lines a second for those who are not let in; a flood of them fills no disk."""

TURNED_INTERVAL: Final = 1.0
"""Seconds after which those are counted in one line that had none of their own."""

MAX_OPEN: Final = 4096
"""Announced commands whose outcome is awaited: many times what is in flight at once.
With still more, that of the oldest has no reference to its announcement."""

logger = logging.getLogger("qmpx.gateway")


class AuditSettings(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The section ``[audit]``.

    Attributes:
        path: The file.
        max_size: Bytes of a file; then the next one is begun.
        keep: How many earlier files stay; 0: all.
        sync: When lines are forced to the disk: ``always``, before what they announce
            goes on; ``interval``, each second; ``never``, when the system does it. It
            matters for a loss of power only.
        reads: Whether commands that change nothing have a line, too.
    """

    path: str
    max_size: int = MAX_SIZE
    keep: int = 0
    sync: Literal["always", "interval", "never"] = "interval"
    reads: bool = True

    def __post_init__(self) -> None:
        if self.max_size < MAX_ARGUMENTS:
            message = f"max-size: expected at least {MAX_ARGUMENTS}"
            raise ValueError(message)
        if self.keep < 0:
            message = "keep: expected 0 or more"
            raise ValueError(message)


class Audit:
    """Writes down what happens at shared monitors.

    Args:
        settings: Where and how.

    Raises:
        AuditError: The file cannot be written, or is no audit.
    """

    def __init__(self, settings: AuditSettings) -> None:
        self.settings = settings
        self._file = AuditFile(
            settings.path, max_size=settings.max_size, keep=settings.keep
        )
        self._timer: asyncio.TimerHandle | None = None
        self._sync_timer: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._is_dirty = False
        self._sync_failure = ""
        self.refused = 0
        self.lost = 0
        self._note("started", more={"pid": os.getpid()})

    @property
    def failure(self) -> str:
        """Why nothing can be written now; empty if it can."""
        return self._file.failure or self._sync_failure

    def at(self, upstream: str) -> "AuditObserver":
        """Return what is to observe the monitor of that name."""
        return AuditObserver(self, upstream)

    async def close(self) -> None:
        """Write what waits and the end, and close.

        Raises:
            AuditError: It cannot be written.
        """
        for timer in (self._timer, self._sync_timer):
            if timer is not None:
                timer.cancel()
        if self._syncing is not None:
            await asyncio.wait([self._syncing])
        if self.settings.sync != "never" and not self._file.failure:
            await asyncio.to_thread(os.fdatasync, self._file.fd)
        self._note("ended")
        self._file.close()

    def announce(self, line: Line) -> int:
        """Write a line before what it tells of happens; return its number.

        Raises:
            AuditError: That is not possible.
        """
        if self._sync_failure:
            message = f"{self._file.path} cannot be written: {self._sync_failure}"
            raise AuditError(message)
        _shorten(line)
        number = self._file.announce(line)
        if self.settings.sync == "always":
            try:
                os.fdatasync(self._file.fd)
            except OSError as error:
                self._sync_failed(error)
                self._sync_later()
                reason = self._sync_failure
                refusal = Line(0, "", "", "outcome", outcome="refused", intent=number)
                self.tell(refusal)
                raise AuditError(reason) from None
        else:
            self._sync_later()
        return number

    def tell(self, line: Line) -> None:
        """Write a line soon."""
        _shorten(line)
        was = self._file.lost
        self._file.tell(line)
        self.lost += self._file.lost - was
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER, self._flush)

    def _note(self, kind: str, more: dict[str, Any] | UnsetType = UNSET) -> None:
        self._file.tell(Line(0, "", "", kind, more=more))

    def _flush(self) -> None:
        self._timer = None
        try:
            self._file.flush()
        except AuditError:  # logged, and tried again
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SYNC_INTERVAL, self._flush)
        else:
            self._sync_later()

    # What is written is forced to the disk by a thread: it may take long.

    def _sync_later(self) -> None:
        self._is_dirty = True
        is_wanted = self.settings.sync == "interval" or self._sync_failure
        if not is_wanted or self._sync_timer is not None:
            return
        loop = asyncio.get_running_loop()
        self._sync_timer = loop.call_later(SYNC_INTERVAL, self._sync)

    def _sync(self) -> None:
        self._sync_timer = None
        if self._syncing is not None:
            self._sync_later()
            return
        self._is_dirty = False
        loop = asyncio.get_running_loop()
        self._syncing = loop.run_in_executor(None, _sync_copy, os.dup(self._file.fd))
        self._syncing.add_done_callback(self._synced)

    def _synced(self, done: "asyncio.Future[None]") -> None:
        self._syncing = None
        error = done.exception()
        if isinstance(error, OSError):
            self._sync_failed(error)
            self._sync_later()
        else:
            self._sync_failure = ""
            if self._is_dirty:
                self._sync_later()

    def _sync_failed(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        if reason != self._sync_failure:
            logger.error("%s cannot be forced to the disk: %s", self._file.path, reason)
        self._sync_failure = reason


def _sync_copy(fd: int) -> None:
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


class AuditObserver(Bystander):
    """Tells an audit what happens at one monitor.

    Args:
        audit: The audit.
        upstream: The monitor's name.
    """

    def __init__(self, audit: Audit, upstream: str) -> None:
        self._audit = audit
        self._upstream = upstream
        self._open: dict[tuple[int, str, int], deque[int]] = {}
        self._known: dict[int, tuple[Identity, Role, Who]] = {}
        self._turned = Sparing(TURNED)
        self._turned_timer: asyncio.TimerHandle | None = None

    def connected(self, client: Client) -> None:
        """Write that a client has come."""
        self._tell("connected", client, more=_origin(client.identity))

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
        who = Who(_short(f"{identity.kind}:{identity.name}"), "", 0, listener)
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
            self._open.setdefault(key, deque()).append(number)
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
            numbers = self._open.get(key)
            line.kind = "outcome"
            line.intent = numbers.popleft() if numbers else 0
            if not numbers:
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
            name = _short(f"{identity.kind}:{identity.name}")
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


def _shorten(line: Line) -> None:
    """Cut off what a client can make as long as it likes."""
    if len(line.command) > MAX_TEXT:
        line.command = _short(line.command)
    if len(line.reason) > MAX_TEXT:
        line.reason = _short(line.reason)


def _short(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    digest = digest_of(text.encode("utf-8", "surrogatepass"))
    return f"{text[:MAX_TEXT]}... ({len(text)} characters, sha256 {digest})"


def shown_arguments(name: str, arguments: Raw | UnsetType) -> Any:
    """Return arguments as an audit has them: without secrets, and not too large."""
    if arguments is UNSET:
        return UNSET
    text = bytes(arguments)
    if len(text) > MAX_ARGUMENTS:
        return {"x-qmpx-bytes": len(text), "x-qmpx-sha256": digest_of(text)}
    try:
        return without_secrets(name, msgspec.json.decode(text))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {"x-qmpx-unreadable": len(text), "x-qmpx-sha256": digest_of(text)}
