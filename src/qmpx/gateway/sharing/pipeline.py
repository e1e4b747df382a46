"""The way of one command: what is asked before it goes, and who is told.

::

    the role decides ─▶ each gate ─▶ observers: it goes on its way
          ─▶ a known answer, or the monitor ─▶ observers: how it ended

A command that the gateway runs itself meets them, too, and is refused where another
would have to wait.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Raw, UnsetType

from qmpx.errors import CommandError, GenericError
from qmpx.gateway.policy import AUTHENTICATE, SHOWN, Decision, Named
from qmpx.gateway.sharing.client import Client
from qmpx.gateway.sharing.observing import Observers
from qmpx.gateway.upstreams.passing import LostError, PassedError
from qmpx.gateway.upstreams.upstream import Upstream
from qmpx.monitor.deferred import Deferred
from qmpx.monitor.registry import Entry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from qmpx.gateway.sharing.eyes import Eyes
    from qmpx.gateway.sharing.observing import Answers, Gate
    from qmpx.qapi.introspection import SchemaInfo


MAX_SHOWN: Final = 128
"""Most characters of a command's name that a refusal repeats."""

HIDDEN: Final[dict[str, Raw]] = {AUTHENTICATE: Raw(b'{"token": "(hidden)"}')}
"""What observers are told in place of arguments that are secret."""


def refusal(client: Client, name: str, decision: Decision) -> GenericError:
    """Return what a client is told whose command is refused."""
    role = client.role
    shown = name if len(name) <= MAX_SHOWN else f"{name[:MAX_SHOWN]}..."
    text = f"The role {role.name} does not allow {shown} here: {decision.reason}"
    if role.contact:
        text += f"; to have that changed, ask {role.contact}"
    return GenericError(text)


class Pipeline:
    """The way of commands through one shared monitor.

    Args:
        upstream: The monitor that is shared.
        observers: Who is told of each command.
        gates: What may refuse what the roles allow, in this order.
        answers: What knows replies beforehand.
        local_schema: Tells what introspection says of the gateway's own commands.
    """

    def __init__(
        self,
        upstream: Upstream,
        observers: Observers,
        gates: "Sequence[Gate]",
        answers: "Sequence[Answers]",
        local_schema: "Callable[[], tuple[SchemaInfo, ...]]",
    ) -> None:
        self.upstream = upstream
        self.observers = observers
        self.gates = gates
        self.answers = answers
        self.local_schema = local_schema

    def run(self, client: Client, name: str, arguments: Raw | UnsetType) -> Deferred:
        """Run a client's command on the monitor that is shared, if it may.

        Raises:
            CommandError: It may not, or the monitor is away.
        """
        decision, arguments = client.role.decide(name, arguments)
        if decision.is_allowed and not (
            self.observers.watch_commands
            or self.gates
            or self.answers
            or name in SHOWN
            or decision.named is not None
        ):  # nobody else has a say, or is told
            session = client.session
            return self.upstream.submit(
                session, name, arguments, is_out_of_band=session.is_out_of_band
            )
        asked = Asked(client, name, arguments, decision)
        passage = _Passage(self, asked)
        passage.go_on()
        return passage.deferred

    def run_local(
        self, client: Client, entry: Entry, arguments: Raw | UnsetType
    ) -> Any:
        """Run a client's command here, if it may.

        Raises:
            CommandError: It may not, or it failed.
        """
        decision, arguments = client.role.decide(entry.name, arguments)
        decision = self._by_gates(client, entry.name, arguments, decision)
        told = HIDDEN.get(entry.name, arguments)
        asked = Asked(client, entry.name, told, decision)
        self.admit(asked)
        note = _Note(self.observers, asked)
        try:
            value = entry.invoke(client.session, arguments)
        except BaseException as error:
            note(error)
            raise
        if not entry.is_async:
            note(None)
            return value
        if isinstance(value, Deferred):
            return _noted_deferred(value, note)
        return _noted(value, note)

    def gate_for(self, named: Named) -> "Gate":
        """Return what lets a command wait until somebody has looked."""
        from qmpx.gateway.sharing.eyes import Eyes  # most gateways need none

        return _Looking(Eyes(self.upstream), named)

    def admit(self, asked: "Asked") -> None:
        """Tell observers what was decided.

        Raises:
            CommandError: The command is refused, or cannot be noted.
        """
        for observer in self.observers:
            observer.decided(*asked)
        if not asked.decision.is_allowed:
            raise refusal(asked.client, asked.name, asked.decision)

    def _by_gates(
        self,
        client: Client,
        name: str,
        arguments: Raw | UnsetType,
        decision: Decision,
    ) -> Decision:
        """Ask the gates about a command of the gateway's own, which does not wait."""
        for gate in self.gates:
            answer = gate.check(client, name, arguments)
            if isinstance(answer, Deferred):
                answer.cancel()
                return Decision("deny", "limits", "that is too many in a short time")
            if answer is not None:
                return answer
        return decision


class _Looking:
    """A gate of one command: the files that it names are looked at."""

    __slots__ = ("_eyes", "_named")

    def __init__(self, eyes: "Eyes", named: Named) -> None:
        self._eyes = eyes
        self._named = named

    def check(
        self,
        client: Client,
        name: str,  # noqa: ARG002 - as all gates
        arguments: Raw | UnsetType,  # noqa: ARG002
    ) -> Deferred:
        """Look, and say then whether the command goes on."""
        return self._eyes.look(self._named, client.role.reach.directories)


class Asked(NamedTuple):
    """A command, as it is decided on.

    Attributes:
        client: Whose it is.
        name: The command.
        arguments: Its arguments; secret ones are replaced.
        decision: What was decided.
    """

    client: Client
    name: str
    arguments: Raw | UnsetType
    decision: Decision


class _Note:
    """Tells the observers how a command ended that was let through."""

    __slots__ = ("_asked", "_began", "_observers")

    def __init__(self, observers: Observers, asked: Asked) -> None:
        self._observers = observers
        self._asked = asked
        self._began = time.monotonic()

    def __call__(self, error: BaseException | None) -> None:
        if self._observers:
            seconds = time.monotonic() - self._began
            outcome = _outcome_of(error)
            self._observers.tell("answered", *self._asked, outcome, seconds)


def _outcome_of(error: BaseException | None) -> str:
    if error is None:
        return "return"
    if isinstance(error, LostError):
        return "lost"
    if isinstance(error, PassedError):
        return error.error_class_told
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return error.error_class if isinstance(error, CommandError) else "GenericError"


async def _noted(value: "Awaitable[Any]", note: _Note) -> Any:
    try:
        result = await value
    except BaseException as error:
        note(error)
        raise
    note(None)
    return result


def _noted_deferred(value: Deferred, note: _Note) -> Deferred:
    outer = Deferred()

    def settled(inner: Deferred) -> None:
        error = inner.exception()
        note(error)
        if error is None:
            outer.set_result(inner.result())
        else:
            outer.set_exception(error)

    value.add_done_callback(settled)
    return outer


class _Passage:
    """One command on its way to the monitor."""

    __slots__ = ("_asked", "_gates", "_is_out_of_band", "_pipeline", "deferred")

    def __init__(self, pipeline: Pipeline, asked: Asked) -> None:
        self.deferred = Deferred()
        self._pipeline = pipeline
        self._asked = asked
        gates = tuple(pipeline.gates)  # a reload may change them meanwhile
        if asked.decision.named is not None and asked.decision.is_allowed:
            gates = (pipeline.gate_for(asked.decision.named), *gates)
        self._gates = iter(gates)
        self._is_out_of_band = asked.client.session.is_out_of_band

    def go_on(self) -> None:
        """Pass the gates that are left, and then go to the monitor.

        Raises:
            CommandError: It may not.
        """
        for gate in self._gates:
            client, name, arguments, decision = self._asked
            if not decision.is_allowed:
                break
            if self._must_wait(gate.check(client, name, arguments)):
                return
        self._pipeline.admit(self._asked)
        self._send(_Note(self._pipeline.observers, self._asked))

    def _must_wait(self, answer: Decision | Deferred | None) -> bool:
        while isinstance(answer, Deferred):
            if not answer.done():
                answer.add_done_callback(self._waited)
                return True
            answer = answer.result()
        if answer is not None:
            self._asked = self._asked._replace(decision=answer)
        return False

    def _waited(self, answer: Deferred) -> None:
        if answer.cancelled() or self._asked.client.session.channel is None:
            self.deferred.cancel()
            return
        try:
            if not self._must_wait(answer):
                self.go_on()
        except CommandError as error:
            self.deferred.set_exception(error)

    def _shown(self, value: bytes) -> bytes:
        """Return what was returned as the client's role may see it."""
        client, name, _, _ = self._asked
        if name not in SHOWN:
            return value
        return client.role.show(name, value, self._pipeline.local_schema())

    def _send(self, note: _Note) -> None:
        client, name, arguments, _ = self._asked
        deferred, answers = self.deferred, self._pipeline.answers
        # Most commands are refused out of band: that is the monitor's to say.
        for each in () if self._is_out_of_band else answers:
            known = each.recall(name, arguments)
            if known is not None:
                note(None)
                deferred.set_result(self._shown(known))
                return

        def settled(reply: Deferred) -> None:
            error = reply.exception()
            note(error)
            if error is not None:
                deferred.set_exception(error)
                return
            value = reply.result()
            for each in answers:
                each.learn(name, arguments, value)
            try:
                shown = self._shown(value)
            except CommandError as refusal:
                deferred.set_exception(refusal)
            else:
                deferred.set_result(shown)

        try:
            reply = self._pipeline.upstream.submit(
                client.session,
                name,
                arguments,
                is_out_of_band=self._is_out_of_band,
            )
        except CommandError as error:
            note(error)
            raise
        reply.add_done_callback(settled)
