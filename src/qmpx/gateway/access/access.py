"""Who may come in where, and with which role: listeners, grants and tokens in force."""

import datetime as dt
import grp
import math
import os
import pwd
import ssl
from typing import TYPE_CHECKING, Final

from qmpx.errors import AddressError
from qmpx.gateway.access.identity import Identity
from qmpx.gateway.access.tokens import find_token
from qmpx.gateway.policy import Role
from qmpx.gateway.settings.access import GrantSettings, ListenerSettings, TokenSettings
from qmpx.gateway.settings.patterns import fits
from qmpx.transport.address import (
    ListenAddress,
    TcpAddress,
    UnixAddress,
    is_loopback,
)
from qmpx.transport.tls import server_context

if TYPE_CHECKING:
    from qmpx.gateway.settings.configuration import Configuration

ANYWHERE: Final = ListenerSettings(address="*")
"""How clients come in where the configuration has no listeners."""


class Access:
    """The part of a configuration that says who may come in.

    Args:
        configuration: What a file says.

    Attributes:
        roles: The roles by name.

    Raises:
        AddressError: A user or a group does not exist, or credentials for TLS are
            missing or wrong.
    """

    def __init__(self, configuration: "Configuration") -> None:
        self.roles = configuration.roles()
        self._listeners = configuration.listener or (ANYWHERE,)
        self._grants = [_Grant(each) for each in configuration.grant]
        self._tokens: tuple[TokenSettings, ...] = configuration.token
        self._contexts: dict[ListenerSettings, ssl.SSLContext] = {
            each: server_context(each.tls.directory, verify=each.tls.verify)
            for each in self._listeners
            if each.tls is not None
        }
        for each in self._listeners:
            _ids_of(each)

    @property
    def takes_tokens(self) -> bool:
        """Whether there is a listener at which tokens may be shown."""
        return any(each.tokens for each in self._listeners)

    def listener_for(self, address: str) -> ListenerSettings | None:
        """Return how clients come in at an address; the first that fits."""
        for each in self._listeners:
            if fits(address, each.address):
                return each
        return None

    def context_for(self, settings: ListenerSettings) -> ssl.SSLContext | None:
        """Return how a listener speaks TLS; ``None``: not at all."""
        return self._contexts.get(settings)

    def check_place(self, address: ListenAddress) -> bool:
        """Look whether an address may be listened on; tell whether by TLS.

        Raises:
            AddressError: The configuration does not allow it.
        """
        settings = self.listener_for(str(address))
        if settings is None:
            message = f"{address}: the configuration has no [[listener]] for it"
            raise AddressError(message)
        if not isinstance(address, TcpAddress):
            return False
        if settings.tls is not None:
            return True
        if not settings.plain_tcp:
            message = (
                f"{address}: expected tls in its [[listener]], or plain-tcp = true if "
                "every program of this host may connect"
            )
            raise AddressError(message)
        if not is_loopback(address):
            message = f"{address}: others could reach it, and only TLS is for others"
            raise AddressError(message)
        return False

    def prepare(self, address: ListenAddress) -> None:
        """Give a unix socket that is listened on its owner, group and mode.

        Until then it is for whoever runs the gateway alone.

        Raises:
            AddressError: We may not, or the file is not there any more.
        """
        settings = self.listener_for(str(address))
        if settings is None or not isinstance(address, UnixAddress):
            return
        if address.abstract:
            return  # it has no file; who may connect is up to the grants
        uid, gid = _ids_of(settings)
        try:
            if (uid, gid) != (-1, -1):
                os.chown(address.path, uid, gid)
            os.chmod(address.path, int(settings.mode, 8))
        except OSError as error:
            message = f"{address}: cannot set its mode or owner: {error.strerror}"
            raise AddressError(message) from error

    def role_for(
        self, identity: Identity, listener: str, settings: ListenerSettings
    ) -> Role | None:
        """Return the role of a client; ``None``: it has none.

        Args:
            identity: Who it is.
            listener: Where it came in.
            settings: How one comes in there.
        """
        for grant in self._grants:
            if grant.fits(identity, listener):
                return self.roles[grant.role]
        return self.roles[settings.role] if settings.role else None

    def token_of(self, text: str) -> TokenSettings | None:
        """Return which token a text is, if it counts."""
        return find_token(text, self._tokens)

    def still_counts(self, identity: Identity) -> bool:
        """Whether what a client has shown counts still; other proof always does."""
        return self.time_left(identity) > 0

    def time_left(self, identity: Identity) -> float:
        """Return for how many seconds what a client has shown counts; may be ``inf``.

        It is so by the host's clock as that is now: somebody may set it.
        """
        if identity.kind != "token":
            return math.inf
        now = dt.datetime.now(dt.UTC)
        for token in self._tokens:
            known = token.name, token.sha256.lower()
            if known == (identity.name, identity.digest) and token.is_valid(now):
                if token.expires is None:
                    return math.inf
                return (token.expires - now).total_seconds()
        return 0.0


class _Grant:
    """A grant, whose names are looked up."""

    def __init__(self, settings: GrantSettings) -> None:
        self.role = settings.role
        self._settings = settings
        self._uid, self._gid = settings.uid, settings.gid
        if settings.user is not None:
            self._uid = _uid_of("[[grant]] user", settings.user)
        if settings.group is not None:
            self._gid = _gid_of("[[grant]] group", settings.group)

    def fits(self, identity: Identity, listener: str) -> bool:
        """Whether all that it says holds for a client."""
        settings = self._settings
        if settings.listener and not fits(listener, settings.listener):
            return False
        if self._uid is not None and identity.uid != self._uid:
            return False
        if self._gid is not None and self._gid not in identity.groups:
            return False
        if settings.certificate is not None and (
            identity.kind != "tls" or settings.certificate not in identity.names
        ):
            return False
        return settings.token is None or (
            identity.kind == "token" and identity.name == settings.token
        )


def _ids_of(settings: ListenerSettings) -> tuple[int, int]:
    owner, group = settings.owner, settings.group
    uid = _uid_of("[[listener]] owner", owner) if owner else -1
    return uid, _gid_of("[[listener]] group", group) if group else -1


def _uid_of(key: str, name: str) -> int:
    if name.isdecimal():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        message = f"{key} = {name!r}: there is no such user on this host"
        raise AddressError(message) from None


def _gid_of(key: str, name: str) -> int:
    if name.isdecimal():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        message = f"{key} = {name!r}: there is no such group on this host"
        raise AddressError(message) from None
