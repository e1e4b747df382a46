"""A gateway as a service: its configuration file, its control socket, systemd.

A configuration that is bad is never put in force: at the start the service does not
come up, at a reload the one in force stays.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from qmpx.errors import GenericError, QmpxError
from qmpx.gateway.daemon.control import MAX_CLIENTS, Controlled, control_monitor
from qmpx.gateway.daemon.gateway import Gateway
from qmpx.gateway.daemon.instruments import Instruments
from qmpx.gateway.daemon.member import Member
from qmpx.gateway.equipment import Equipment
from qmpx.gateway.host.systemd import Notifier, resolve
from qmpx.gateway.settings.configuration import read_configuration
from qmpx.monitor.server import Server
from qmpx.transport import diagnosis  # noqa: F401 - a file, and later none can be opened

if TYPE_CHECKING:
    from qmpx.gateway.settings.configuration import Configuration

STATUS_PAUSE: Final = 0.5
"""Seconds from a change to the word of it to systemd: many machines change at once."""

logger = logging.getLogger("qmpx.gateway")


class Service:
    """A gateway that is run by a file, in ``async with``.

    Args:
        path: The configuration file.
        notifier: Tells systemd.
        handed: The sockets of systemd's, by name.

    Attributes:
        gateway: The gateway.
        instruments: Its metrics and spans.
        equipment: Its audit, journal, limits and leases.

    Raises:
        QmpxError: The configuration is bad, or a place cannot be listened on.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        notifier: Notifier,
        handed: Mapping[str, list[int]],
    ) -> None:
        self._path = path
        self._notifier = notifier
        self._handed = handed
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._life: asyncio.Task[None] | None = None
        self._stack = contextlib.AsyncExitStack()
        self._control: Server | None = None
        configuration = read_configuration(path)
        self.gateway = Gateway(configuration, handed=handed)
        self.instruments = Instruments(
            configuration.metrics, configuration.tracing, handed
        )
        self._controlled = Controlled(self.gateway, self.reload)
        self.equipment = Equipment(
            audit=configuration.audit,
            journal=configuration.journal,
            limits=configuration.limits,
            lease=configuration.lease,
        )

    async def __aenter__(self) -> Self:
        self.gateway.on_member += [self._equip, self.instruments.attach]
        self.gateway.on_change.append(self._changed)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, self.instruments.close)
            await stack.enter_async_context(self.equipment)
            await stack.enter_async_context(self.gateway)
            place = self.gateway.configuration.gateway.control
            self._control = await self._open_control(place)
            stack.push_async_callback(self._close_control)
            self._stack = stack.pop_all()
        if self._notifier.watchdog_pause is not None:
            loop = asyncio.get_running_loop()
            self._life = loop.create_task(self._live(self._notifier.watchdog_pause))
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._notifier.stopping(self.gateway.configuration.gateway.drain)
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._stack.aclose()
        if self._timer is not None:
            self._timer.cancel()
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait([self._life])

    def _equip(self, member: Member) -> None:
        """Put audit, journal and limits beside a monitor, before all else."""
        member.attached.append(self.equipment.attach(member.monitor, member.name))

    def ready(self) -> None:
        """Tell systemd that it serves, once signals are waited for, too."""
        self._notifier.ready(self._summary())

    def hang_up(self) -> None:
        """Read the configuration anew: what SIGHUP asks for. Returns at once."""
        self._keep(self._reload_and_log())

    async def reload(self) -> None:
        """Read the configuration anew, and put it in force.

        Raises:
            GenericError: It is bad; the old one stays in force.
        """
        async with self._reloading:
            self._notifier.reloading()
            try:
                configuration = await asyncio.to_thread(read_configuration, self._path)
                await self._put_in_force(configuration)
            except (QmpxError, OSError) as error:
                message = f"the old configuration stays in force: {error}"
                raise GenericError(message) from error
            finally:
                self._notifier.ready(self._summary())
        self._controlled.note()

    async def _reload_and_log(self) -> None:
        try:
            await self.reload()
        except GenericError as error:
            logger.error("%s", error.desc)  # noqa: TRY400 - it is not our defect
        else:
            logger.warning("%s was read anew, and is in force", self._path)

    async def _put_in_force(self, new: "Configuration") -> None:
        old = self.gateway.configuration.metrics
        async with (
            self._controlling(new.gateway.control),
            self.instruments.adapting(new.metrics, new.tracing),
            self.equipment.adapting(
                audit=new.audit, journal=new.journal, limits=new.limits, lease=new.lease
            ),
        ):
            await self.gateway.reload(new)
        if (old.listen, old.allow_remote) != (
            new.metrics.listen,
            new.metrics.allow_remote,
        ):
            for address in self.instruments.addresses:
                logger.warning("metrics on %s", address)

    @contextlib.asynccontextmanager
    async def _controlling(self, place: str) -> AsyncIterator[None]:
        """Have the control socket there when the block ends, if it ends well."""
        if place == self.gateway.configuration.gateway.control:
            yield
            return
        control = await self._open_control(place)
        try:
            yield
        except BaseException:
            if control is not None:
                await control.close(0)
            raise
        was, self._control = self._control, control
        if was is not None:  # who asked for this by it has a reply first
            was.stop()

    async def _open_control(self, place: str) -> Server | None:
        if not place:
            return None
        addresses = resolve(place, self._handed)
        monitor = control_monitor(self._controlled)
        server = monitor.serve(*addresses, max_sessions=MAX_CLIENTS)
        return await server.__aenter__()

    async def _close_control(self) -> None:
        if self._control is not None:
            await self._control.close(0)

    def _changed(self) -> None:
        """Tell systemd how many monitors there are, but not for each change."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(STATUS_PAUSE, self._tell)

    def _tell(self) -> None:
        self._timer = None
        self._notifier.status(self._summary())

    def _summary(self) -> str:
        members = self.gateway.members.values()
        there = sum(member.monitor.upstream.is_open for member in members)
        clients = sum(len(member.monitor.clients) for member in members)
        return f"{there} of {len(members)} monitors there, {clients} clients"

    async def _live(self, pause: float) -> None:
        # In the loop that serves: if that hangs, so does this, and systemd notices.
        while True:
            self._notifier.alive()
            await asyncio.sleep(pause)

    def _keep(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
