"""Many shared monitors in one process, none of which delays another.

::

    async with Gateway(configuration) as gateway:
        await gateway.wait_closed()

Each has a connection, clients and bounds of its own. They come and go: by address, by a
pattern of paths, in a directory, or by connecting to the gateway.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Self

from qmpx.errors import AddressError, QmpxError
from qmpx.gateway.access.access import Access
from qmpx.gateway.daemon.member import Member
from qmpx.gateway.finding.places import Place, key_of, place_for, refuse_twins
from qmpx.gateway.upstreams.link import Link
from qmpx.transport.address import Address

if TYPE_CHECKING:
    from qmpx.gateway.settings.configuration import Configuration

MAX_UPSTREAMS: Final = 1024
"""Monitors of one gateway: a host's, with a thread's share of time for each. It bounds
the labels of metrics, too."""


SWEEP_PAUSE: Final = 1.0
"""Seconds between looks whether a monitor is away for so long that it is forgotten."""

logger = logging.getLogger("qmpx.gateway")


class Gateway:
    """Shares all the monitors that a configuration tells of.

    Args:
        configuration: What to share, and how.
        handed: The sockets of systemd's, by name: see
            `qmpx.gateway.host.systemd.take_sockets`.

    Attributes:
        configuration: The one that is in force.
        members: The monitors, by name, in the order in which they came.
        on_member: Called with each that comes, before it is looked for.
        on_change: Called when one is found, lost, added or given up.

    Raises:
        AddressError: An address is none, two upstreams have one name, or a user or a
            file that the policy names is not there.
    """

    def __init__(
        self,
        configuration: "Configuration",
        *,
        handed: Mapping[str, list[int]] | None = None,
    ) -> None:
        self.configuration = configuration
        self.members: dict[str, Member] = {}
        self.on_member: list[Callable[[Member], None]] = []
        self.on_change: list[Callable[[], None]] = []
        self._handed = handed or {}
        self._access = _access_of(configuration)
        self._places = self._places_of(configuration)
        self._owners: dict[str, Place] = {}  # whose each member is
        self._closing: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self._ending: set[Member] = set()
        self._is_hurried = False

    async def __aenter__(self) -> Self:
        started = []
        try:
            for place in self._places.values():
                started.append(place)
                place.start()
        except BaseException:
            for place in started:
                await place.close()
            await self._end(0)
            raise
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Take no more clients, answer what is being answered, and end all."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait([self._sweeper])
            self._sweeper = None
        for place in self._places.values():
            await place.close()
        self._places = {}
        await self._end(self.configuration.gateway.drain)

    def shut_down(self) -> None:
        """Ask whoever waits in `wait_closed` to close. Returns at once.

        Who asks again means it: then nothing is waited for that is being answered.
        """
        if self._closed.is_set():
            self._is_hurried = True
            for member in self._ending:
                member.hurry()
        self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until `shut_down` is called."""
        await self._closed.wait()

    async def reload(self, configuration: "Configuration") -> None:
        """Put another configuration in force.

        Upstreams of places that stay keep their connections and their clients.

        Raises:
            AddressError: It cannot be put in force; the old one stays.
        """
        access = _access_of(configuration)
        if access is None and self._access is not None:
            message = "a policy is not taken away while the gateway runs: restart it"
            raise AddressError(message)
        new = self._places_of(configuration)
        old = self._places
        added = {key: place for key, place in new.items() if key not in old}
        # What may fail comes first; then there is no way back, and none is needed.
        listening = [x for x in added.values() if x.settings.dial_in]
        try:
            for place in listening:
                place.start()
        except BaseException:
            for place in listening:
                await place.close()
                self._drop_all(place)
            raise
        self.configuration = configuration
        self._access = access
        if access is not None:
            for member in self.members.values():
                member.monitor.access = access
        for key in [key for key in old if key not in new]:
            place = old.pop(key)
            await place.close()
            self._drop_all(place)
        old |= added
        for place in added.values():
            if place not in listening:
                place.start()
        for key, place in old.items():
            was, settings = place.settings, new[key].settings
            place.renew(new[key])
            if was != settings:
                for member in self._members_of(place):
                    member.adapt(settings)
        for member in list(self.members.values()):
            await member.care.watch.adapt(configuration.health)
        self._changed()

    # What the places tell.

    def found(self, place: Place, name: str, address: Address) -> bool:
        """Share the monitor at an address; tell whether there is room for it."""
        member = self.members.get(name)
        if member is not None and self._owners[name] is place:
            member.is_listed = True
            return True
        member = self._add(place, name, address, dials_in=False)
        if member is None:
            return False
        member.start(self._changed)
        self._changed()
        return True

    def vanished(self, place: Place, name: str) -> None:
        """Note that a monitor is not to be found any more."""
        if self._owners.get(name) is place:
            self.members[name].is_listed = False

    def mistaken(self, place: Place, name: str) -> None:
        """Share no longer what was no monitor, but a socket of ours."""
        if self._owners.get(name) is place:
            self._drop(name, 0)

    def called(self, place: Place, name: str, address: Address, link: Link) -> bool:
        """Take a connection that a QEMU has made; tell whether there is room."""
        member = self.members.get(name)
        if member is not None and self._owners[name] is place:
            return member.deliver(link)
        member = self._add(place, name, address, dials_in=True)
        if member is None:
            return False
        member.deliver(link)
        member.start(self._changed)
        self._changed()
        return True

    def is_own(self, path: str) -> bool:
        """Whether a socket is one of the gateway's."""
        real = os.path.realpath(path)
        return any(real in member.own_paths for member in self.members.values())

    def _add(
        self,
        place: Place,
        name: str,
        address: Address,
        *,
        dials_in: bool,
    ) -> Member | None:
        if name in self.members:
            logger.error("%s: there is an upstream %r already", address, name)
            return None
        if len(self.members) >= MAX_UPSTREAMS:
            text = "%s: there are %d upstreams already, which is the limit"
            logger.error(text, address, MAX_UPSTREAMS)
            return None
        member = Member(
            name,
            place.settings,
            address,
            health=self.configuration.health,
            handed=self._handed,
            dials_in=dials_in,
        )
        if self._access is not None:
            member.monitor.access = self._access
        self.members[name] = member
        self._owners[name] = place
        try:
            for each in self.on_member:
                each(member)
        except QmpxError as error:
            # Without its audit, say, it is not shared at all.
            logger.error("%s: %s", name, error)  # noqa: TRY400
            self._drop(name, 0)
            return None
        return member

    # How they go.

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_PAUSE)
            now = loop.time()
            for name, member in list(self.members.items()):
                if member.is_forgotten(now):
                    logger.warning("%s is away for good, and given up", name)
                    self._drop(name, 0)

    def _members_of(self, place: Place) -> list[Member]:
        return [self.members[x] for x, owner in self._owners.items() if owner is place]

    def _drop_all(self, place: Place) -> None:
        for member in self._members_of(place):
            self._drop(member.name, self.configuration.gateway.drain)

    def _drop(self, name: str, grace: float) -> None:
        member = self.members.pop(name)
        del self._owners[name]
        self._ending.add(member)
        grace = 0 if self._is_hurried else grace
        task = asyncio.get_running_loop().create_task(member.close(grace))

        def ended(task: asyncio.Task[None]) -> None:
            self._closing.discard(task)
            self._ending.discard(member)

        self._closing.add(task)
        task.add_done_callback(ended)
        self._changed()

    async def _end(self, grace: float) -> None:
        for name in list(self.members):
            self._drop(name, grace)
        if self._closing:
            await asyncio.gather(*self._closing)

    def _changed(self) -> None:
        for each in self.on_change:
            each()

    def _places_of(
        self, configuration: "Configuration"
    ) -> dict[tuple[str, ...], Place]:
        refuse_twins(configuration.upstream)
        return {
            key_of(settings): place_for(settings, self, self._handed)
            for settings in configuration.upstream
        }


def _access_of(configuration: "Configuration") -> Access | None:
    """Return who may come in; ``None`` where nothing is said of that."""
    return Access(configuration) if configuration.has_policy else None
