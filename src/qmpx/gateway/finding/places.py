"""Where a gateway's monitors come from: an address, a pattern, a directory, callers."""

import logging
import os
from collections.abc import Mapping, Sequence
from glob import escape
from typing import Protocol

from qmpx.errors import AddressError
from qmpx.gateway.finding.arrivals import Arrivals
from qmpx.gateway.finding.callers import Security
from qmpx.gateway.finding.discovery import LOOK_PAUSE, Discovery
from qmpx.gateway.host.systemd import PREFIX, resolve
from qmpx.gateway.settings.upstreams import (
    UpstreamSettings,
    dial_in_address,
    name_of_path,
)
from qmpx.gateway.upstreams.link import Link
from qmpx.transport.address import (
    Address,
    ListenAddress,
    UnixAddress,
    parse_address,
    parse_listen_address,
)
from qmpx.transport.tls import server_context

logger = logging.getLogger("qmpx.gateway")


class Owner(Protocol):
    """Whose places they are: the gateway."""

    def found(self, place: "Place", name: str, address: Address) -> bool:
        """Share the monitor at an address; tell whether there is room for it."""

    def vanished(self, place: "Place", name: str) -> None:
        """Note that a monitor is not to be found any more."""

    def mistaken(self, place: "Place", name: str) -> None:
        """Share no longer what was no monitor, but a socket of ours."""

    def called(self, place: "Place", name: str, address: Address, link: Link) -> bool:
        """Take a connection that a QEMU has made; tell whether there is room."""

    def is_own(self, path: str) -> bool:
        """Whether a socket is one of the gateway's."""


class Place(Protocol):
    """Brings upstreams.

    Attributes:
        settings: Of those that it brings.
    """

    settings: UpstreamSettings

    def start(self) -> None:
        """Bring them from now on.

        Raises:
            AddressError: It cannot be listened on, and why.
        """

    def renew(self, newer: "Place") -> None:
        """Go on as a newer one of the same key would."""

    async def close(self) -> None:
        """Bring no more."""


def place_for(
    settings: UpstreamSettings,
    owner: Owner,
    handed: Mapping[str, list[int]],
    *,
    pause: float = LOOK_PAUSE,
) -> Place:
    """Return the place that settings tell of.

    Args:
        settings: A section ``[[upstream]]``.
        owner: Told of what is there.
        handed: The sockets of systemd's, by name.
        pause: Seconds between looks.

    Raises:
        AddressError: An address is none.
    """
    if settings.address:
        return FixedPlace(settings, owner)
    if settings.dial_in:
        return CallersPlace(settings, owner, handed)
    return SocketsPlace(settings, owner, pause)


def key_of(settings: UpstreamSettings) -> tuple[str, ...]:
    """Return what makes a place the same one after a reload."""
    return (
        settings.address,
        settings.glob,
        settings.directory,
        settings.suffix,
        settings.dial_in,
        settings.name,
    )


def refuse_twins(upstreams: Sequence[UpstreamSettings]) -> None:
    """See that no place is there twice, and no name of one address.

    Raises:
        AddressError: One is.
    """
    keys: set[tuple[str, ...]] = set()
    names: set[str] = set()
    for settings in upstreams:
        key = key_of(settings)
        name = fixed_name(settings) if settings.address else ""
        if key in keys or name in names:
            which = name or settings.glob or settings.directory or settings.dial_in
            message = f"[[upstream]] {which}: it is there twice"
            raise AddressError(message)
        keys.add(key)
        if name:
            names.add(name)


class FixedPlace:
    """One address."""

    def __init__(self, settings: UpstreamSettings, owner: Owner) -> None:
        self.settings = settings
        self._owner = owner
        self._address = parse_address(settings.address)

    def start(self) -> None:
        """Share the monitor there."""
        self._owner.found(self, fixed_name(self.settings), self._address)

    def renew(self, newer: Place) -> None:
        """Take the settings of a newer one."""
        self.settings = newer.settings

    async def close(self) -> None:
        """Do nothing: it brings no others."""


def fixed_name(settings: UpstreamSettings) -> str:
    """Return what the upstream of one address is called."""
    if settings.name:
        return settings.name
    address = parse_address(settings.address)
    if isinstance(address, UnixAddress):
        return name_of_path("", address.path)
    return name_of_path("", str(address))


class SocketsPlace:
    """The sockets of a pattern or of a directory."""

    def __init__(self, settings: UpstreamSettings, owner: Owner, pause: float) -> None:
        self.settings = settings
        self._owner = owner
        self._names: dict[str, str] = {}  # by path
        directory = settings.directory
        pattern = settings.glob
        if directory:
            pattern = os.path.join(escape(directory), "*" + escape(settings.suffix))
        self._discovery = Discovery(pattern, directory, self._changed, pause=pause)

    def start(self) -> None:
        """Look now, and from now on."""
        self._discovery.start()

    def renew(self, newer: Place) -> None:
        """Take the settings of a newer one."""
        self.settings = newer.settings

    async def close(self) -> None:
        """Look no more."""
        await self._discovery.close()

    def _changed(self, paths: list[str]) -> None:
        names = self._names_of(paths)
        # Sockets for clients may lie in the same directory, also those that a gateway
        # which was killed has left there.
        own = {
            os.path.realpath(address.path)
            for name in names.values()
            for each in self.settings.places_for(name)
            if isinstance(address := _unix_address(each), UnixAddress)
        }
        for path in list(names):
            is_own = os.path.realpath(path) in own or self._owner.is_own(path)
            if is_own:
                del names[path]
                if path in self._names:
                    self._owner.mistaken(self, self._names.pop(path))
        for path in [each for each in self._names if each not in names]:
            self._owner.vanished(self, self._names.pop(path))
        for path, name in names.items():
            if path not in self._names:
                address = UnixAddress(path)
                if self._owner.found(self, name, address):
                    self._names[path] = name

    def _names_of(self, paths: list[str]) -> dict[str, str]:
        names = {}
        for path in paths:
            try:
                names[path] = name_of_path(self.settings.name, path)
            except AddressError as error:
                logger.warning("%s is left out: %s", path, error)
        return names


def _security_of(settings: UpstreamSettings) -> Security | None:
    if settings.tls is None:
        return None
    return Security(server_context(settings.tls.directory), settings.certificates)


def _unix_address(place: str) -> ListenAddress | None:
    return None if place.startswith(PREFIX) else parse_listen_address(place)


class CallersPlace:
    """Addresses that QEMUs connect to."""

    def __init__(
        self,
        settings: UpstreamSettings,
        owner: Owner,
        handed: Mapping[str, list[int]],
    ) -> None:
        self.settings = settings
        self._security = _security_of(settings)
        self._owner = owner
        places = resolve(settings.dial_in, handed)
        self._addresses = [dial_in_address(each) for each in places]
        self._arrivals: list[Arrivals] = []

    def start(self) -> None:
        """Take them in from now on.

        Raises:
            AddressError: It cannot be listened on, and why.
        """
        for address in self._addresses:
            arrivals = Arrivals(
                address,
                self.settings.name,
                self._arrived,
                timeout=self.settings.connect_timeout,
                security=self._security,
                allow_remote=self.settings.allow_remote or self._security is not None,
            )
            self._arrivals.append(arrivals)
        for arrivals in self._arrivals:
            arrivals.start()

    def renew(self, newer: Place) -> None:
        """Take the settings and, from now on, the credentials of a newer one."""
        self.settings = newer.settings
        if isinstance(newer, CallersPlace):
            self._security = newer._security  # noqa: SLF001 - of the same class
            for arrivals in self._arrivals:
                arrivals.security = self._security

    async def close(self) -> None:
        """Take in no more."""
        for arrivals in self._arrivals:
            await arrivals.close()

    def _arrived(self, name: str, link: Link) -> bool:
        return self._owner.called(self, name, self._addresses[0], link)
