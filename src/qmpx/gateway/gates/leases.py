"""The right to change a machine for a while, alone: for work of more than one command.

While a client has the lease the changing commands of others are refused at once, and
are told who has it and until when; what only reads goes on. It begins when the commands
of others that are on their way are answered, and ends when it is given back, when its
time is over, when its client goes, or when somebody who may breaks it.
"""

import asyncio
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Raw, UnsetType

from qmpx.errors import GenericError
from qmpx.gateway.gates.lease import Lease, LeaseInfo
from qmpx.gateway.policy import Decision
from qmpx.gateway.policy.effects import changes
from qmpx.gateway.settings.bounds import LeaseSettings
from qmpx.gateway.sharing.client import Client
from qmpx.gateway.sharing.observing import Bystander
from qmpx.gateway.sharing.own_events import LEASE_CHANGED
from qmpx.monitor.deferred import Deferred
from qmpx.monitor.session import Session

if TYPE_CHECKING:
    from qmpx.gateway.sharing.monitor import SharedMonitor
    from qmpx.gateway.upstreams.passing import Request


MAX_WAIT: Final = 3600.0
"""Seconds that a lease, or a command, is waited for: as long as a lease can be."""

SETTLE: Final = 30.0
"""Seconds that a lease which nobody has is waited for, until what others have sent is
answered: as long as a client waits for a reply."""

MAX_WAITING: Final = 64
"""Clients that wait for a lease: each does work of its own, one after the other."""

LOOK_PAUSE: Final = 0.05
"""Seconds between looks whether what was under way before there were leases is over."""

MAX_PATTERNS: Final = 64
"""Patterns of a lease's scope; a whole family of commands has one."""


_NONE: Final = "This gateway gives no leases"


class _HeldBack(NamedTuple):
    """A command that waits for the end of a lease."""

    client: Client
    name: str
    timer: asyncio.TimerHandle


class Leases(Bystander):
    """The lease of one monitor: its commands, and the gate that holds others back.

    Args:
        monitor: The monitor; commands, observer and gate are entered there.
        settings: Its bounds; ``None``: it gives none, for now.
    """

    def __init__(
        self,
        monitor: "SharedMonitor",
        settings: LeaseSettings | None = LeaseSettings(),  # noqa: B008 - immutable
    ) -> None:
        self._monitor = monitor
        self._settings: LeaseSettings | None = None
        self._before: list[Request] = []  # sent before anybody counted
        self._look: asyncio.TimerHandle | None = None
        self._held: Lease | None = None
        self._waiting: deque[Lease] = deque()
        self._patience: dict[Client, float] = {}
        self._in_flight: dict[Client, Counter[str]] = {}  # what changes something
        self._held_back: dict[Deferred, _HeldBack] = {}
        command = monitor.local.command
        command("x-qmpx-lease")(self.lease)
        command("x-qmpx-release")(self.release)
        command("x-qmpx-break-lease")(self.break_lease)
        command("x-qmpx-query-lease")(self.query_lease)
        command("x-qmpx-wait-for-lease")(self.wait_for_lease)
        self.adapt(settings)

    def adapt(self, settings: LeaseSettings | None) -> None:
        """Give leases by other settings from now on; ``None``: none at all.

        A lease that is held stays for its time, unless there are to be none. Commands
        that are under way when leases begin are waited for, as all are.
        """
        was, self._settings = self._settings, settings
        monitor = self._monitor
        if was is None and settings is not None:
            self._before = [
                request
                for request in monitor.upstream.traffic.under_way
                if changes(request.name)
            ]
            monitor.observers.append(self)
            monitor.gates.append(self)
        elif was is not None and settings is None:
            waiting, self._waiting = self._waiting, deque()
            for asked in waiting:
                if asked.began is not None and not asked.began.done():
                    asked.began.set_exception(GenericError(_NONE))
            self._end("broken")
            self._in_flight.clear()
            self._patience.clear()
            monitor.observers.remove(self)
            monitor.gates.remove(self)

    # The commands.

    async def lease(
        self,
        session: Session,
        *,
        seconds: float,
        commands: list[str] | None = None,
        wait: float = 0.0,
    ) -> LeaseInfo:
        """Be the only one to change something, for a while; or go on being that.

        Args:
            session: Who asks.
            seconds: For how long.
            commands: Patterns of the commands that are for the holder alone; all that
                change something, if not given.
            wait: Seconds to wait while another has the lease.

        Raises:
            GenericError: Another has it, or what is asked for is out of bounds.
        """
        client = self._monitor.client_of(session)
        if self._settings is None:
            raise GenericError(_NONE)
        longest = self._settings.max_seconds
        if not 0 < seconds <= longest:
            message = f"Parameter 'seconds' expects more than 0, at most {longest:g}"
            raise GenericError(message)
        if not 0 <= wait <= MAX_WAIT:
            message = f"Parameter 'wait' expects 0 to {MAX_WAIT:g} seconds"
            raise GenericError(message)
        if commands is not None and len(commands) > MAX_PATTERNS:
            message = f"Parameter 'commands' has more than {MAX_PATTERNS} patterns"
            raise GenericError(message)
        asked = Lease(client, seconds, commands)
        if self._held is not None and self._held.client is client:
            return self._take(asked, "renewed")
        if (self._held is not None or self._waiting) and not wait:
            raise GenericError(self._refusal("The lease was not given"))
        if len(self._waiting) >= MAX_WAITING:
            message = f"More than {MAX_WAITING} clients wait for the lease"
            raise GenericError(message)
        self._waiting.append(asked)
        asked.began = asyncio.get_running_loop().create_future()
        self._next()
        try:
            async with asyncio.timeout(wait or SETTLE):
                await asked.began
        except TimeoutError:
            if self._held is not asked:
                reason = self._refusal("The lease was not given in time")
                raise GenericError(reason) from None
        finally:
            if asked in self._waiting:
                self._waiting.remove(asked)
                self._go_on()
        return asked.info

    def release(self, session: Session) -> None:
        """Give the lease back.

        Args:
            session: Who asks.

        Raises:
            GenericError: Another has it, or nobody.
        """
        held = self._held
        if held is None or held.client is not self._monitor.client_of(session):
            message = "This client has no lease: its time may be over"
            raise GenericError(message)
        self._end("released")

    def break_lease(self) -> LeaseInfo:
        """Take the lease from whoever has it.

        Raises:
            GenericError: Nobody has it.
        """
        if self._held is None:
            message = "Nobody has a lease"
            raise GenericError(message)
        info = self._held.info
        self._end("broken")
        return info

    def query_lease(self) -> list[LeaseInfo]:
        """Return the lease that is held: a list of none or one."""
        return [] if self._held is None else [self._held.info]

    def wait_for_lease(self, session: Session, *, seconds: float) -> None:
        """Let this client's changing commands wait while another has the lease.

        Args:
            session: Who asks.
            seconds: How long each may wait; 0: they are refused at once.

        Raises:
            GenericError: That is out of bounds.
        """
        if not 0 <= seconds <= MAX_WAIT:
            message = f"Parameter 'seconds' expects 0 to {MAX_WAIT:g}"
            raise GenericError(message)
        self._patience[self._monitor.client_of(session)] = seconds

    # What is asked of it for each command.

    def check(
        self, client: Client, name: str, arguments: Raw | UnsetType
    ) -> Decision | Deferred | None:
        """Hold back what another's lease is about."""
        if not self._is_held_against(client, name) or not _matters(name, arguments):
            return None
        patience = self._patience.get(client, 0.0)
        if not patience:
            return Decision("deny", "lease", self._refusal("others may only read"))
        deferred = Deferred()

        def give_up() -> None:
            del self._held_back[deferred]
            reason = self._refusal("waited in vain; others may only read")
            deferred.set_result(Decision("deny", "lease", reason))

        timer = self._monitor.loop.call_later(patience, give_up)
        self._held_back[deferred] = _HeldBack(client, name, timer)
        return deferred

    def decided(
        self, client: Client, name: str, arguments: Raw | UnsetType, decision: Decision
    ) -> None:
        """Note a changing command that goes on its way."""
        if decision.is_allowed and _matters(name, arguments):
            self._in_flight.setdefault(client, Counter())[name] += 1

    def answered(
        self,
        client: Client,
        name: str,
        arguments: Raw | UnsetType,
        decision: Decision,  # noqa: ARG002 - as all observers
        outcome: str,  # noqa: ARG002
        seconds: float,  # noqa: ARG002
    ) -> None:
        """Note that one is over: a lease may begin."""
        if not _matters(name, arguments):
            return
        names = self._in_flight.get(client)
        if names is not None:
            names[name] -= 1
            if names[name] <= 0:
                del names[name]
            if not names:
                del self._in_flight[client]
        if self._waiting:
            self._next()

    def disconnected(self, client: Client, reason: str) -> None:  # noqa: ARG002
        """End the lease of a client that has gone."""
        self._patience.pop(client, None)
        if self._held is not None and self._held.client is client:
            self._end("disconnected")
        for asked in [asked for asked in self._waiting if asked.client is client]:
            self._waiting.remove(asked)
        self._go_on()

    # Its beginning and its end.

    def _is_held_against(self, client: Client, name: str) -> bool:
        held = self._held
        if held is None and self._waiting:
            held = self._waiting[0]  # it begins when what is on its way is over
        return held is not None and held.client is not client and held.covers(name)

    def _next(self) -> None:
        """Give the lease to whoever is next, if nothing stands against it."""
        while self._waiting and self._waiting[0].is_given_up:
            self._waiting.popleft()
        if self._held is not None or not self._waiting:
            return
        self._before = [each for each in self._before if not each.deferred.done()]
        if self._before:
            self._look_again()
            return
        asked = self._waiting[0]
        for client, names in self._in_flight.items():
            own = client is asked.client
            if not own and any(map(asked.covers, names)):
                return
        self._waiting.popleft()
        if asked.began is not None and not asked.began.done():
            asked.began.set_result(None)
        self._take(asked, "taken")

    def _look_again(self) -> None:
        if self._look is None:
            self._look = self._monitor.loop.call_later(LOOK_PAUSE, self._have_looked)

    def _have_looked(self) -> None:
        self._look = None
        self._next()

    def _take(self, lease: Lease, state: str) -> LeaseInfo:
        if self._held is not None and self._held.timer is not None:
            self._held.timer.cancel()
        lease.until = time.time() + lease.seconds
        lease.timer = self._monitor.loop.call_later(lease.seconds, self._end, "expired")
        self._held = lease
        self._tell(lease, state)
        self._go_on()
        return lease.info

    def _end(self, state: str) -> None:
        lease, self._held = self._held, None
        if lease is None:
            return
        if lease.timer is not None:
            lease.timer.cancel()
        self._tell(lease, state)
        self._next()
        self._go_on()

    def _go_on(self) -> None:
        """Let those go on that nothing holds back any more."""
        for deferred, (client, name, timer) in list(self._held_back.items()):
            is_here = client.session.channel is not None
            if not (is_here and self._is_held_against(client, name)):
                timer.cancel()
                del self._held_back[deferred]
                deferred.set_result(None)

    def _tell(self, lease: Lease, state: str) -> None:
        info = lease.info
        data: dict[str, Any] = {
            "state": state,
            "holder": info.holder,
            "client": info.client,
            "until": info.until,
        }
        if info.commands is not None:
            data["commands"] = info.commands
        self._monitor.emit(LEASE_CHANGED, data, only_subscribed=True)

    def _refusal(self, what: str) -> str:
        held = self._held
        if held is None:
            return f"{what}: another client is about to have the lease"
        info = held.info
        return f"{what}: {info.holder} (client {info.client}) has it until {info.until}"


def _matters(name: str, arguments: Raw | UnsetType) -> bool:
    """Whether a lease is about this command: not about those of the gateway."""
    return not name.startswith("x-qmpx-") and changes(name, arguments)
