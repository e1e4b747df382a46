"""``[[upstream]]``: which monitors are shared, where, and how they are looked after."""

import re
from pathlib import PurePath
from typing import Annotated, Final

from msgspec import Meta, Struct, field

from qmpx.client.deadlines import CONNECT_TIMEOUT
from qmpx.errors import AddressError
from qmpx.gateway.host.systemd import PREFIX
from qmpx.gateway.settings.access import TlsSettings
from qmpx.gateway.settings.unchanging import UNCHANGING
from qmpx.transport.address import (
    Address,
    StdioAddress,
    TcpAddress,
    TelnetAddress,
    is_loopback,
    parse_address,
    parse_listen_address,
)

MAX_NAME: Final = 128
"""Characters of an upstream's name: it becomes a label of metrics and part of paths."""

FORGET_AFTER: Final = 60.0
"""Seconds that one is kept which was found and is gone: enough for a host to start a
machine anew, while its clients stay connected."""

MAX_FOUND: Final = 1024
"""Upstreams that one place may bring: more machines than a host runs."""

_NAME: Final = re.compile(r"[A-Za-z0-9_.:@+-]+")
_OTHERS: Final = re.compile(r"[^A-Za-z0-9_.:@+-]")

Seconds = Annotated[float, Meta(ge=0.0)]


class UpstreamSettings(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"
):
    """One monitor, or all that are found at one place.

    Exactly one of *address*, *glob*, *directory* and *dial_in* is given.

    Attributes:
        address: Where the monitor is.
        glob: A pattern of paths of sockets, such as ``/run/vm/*/qmp.sock``; it is
            looked at anew every few seconds.
        directory: A directory whose sockets are monitors; it is watched.
        suffix: How their names in *directory* end.
        dial_in: Where QEMUs connect to, with ``-qmp unix:...,reconnect=1``.
        tls: How they speak TLS there; absent: not at all.
        certificates: Names of which their certificates must have one, where ``*``
            stands for any text; none: any certificate of the authority will do.
        name: What it is called. ``{stem}`` is the socket's name up to its last dot,
            ``{parent}`` that of the directory that it is in; of a QEMU that dials in
            ``{vm}`` is its ``-name``, ``{uuid}`` its ``-uuid`` and, by TLS,
            ``{certificate}`` the name in its certificate.
        listen: Where its clients connect to, one address or several; ``{name}`` is
            its name, and ``systemd:NAME`` stands for sockets of systemd's.
        clients: How many clients each of these serves at once; 0: `MAX_CLIENTS`.
        allow_remote: Whether to listen on TCP addresses that others can reach.
        connect_timeout: Seconds for connection, greeting and negotiation together.
        forget_after: Seconds after which one that was found and is gone is forgotten.
        remember: Which answers are given from memory: a list of commands of
            `UNCHANGING`, or true for all of them.
        deadline: Seconds after which a client is told that there is no reply; 0: it
            waits for as long as the monitor takes, as QEMU's clients do.
        deadlines: The same for some commands, by name.
        watch: Whether it is asked for its state, so that clients can be told what
            changed while it was away, and for its health.
    """

    address: str = ""
    glob: str = ""
    directory: str = ""
    suffix: str = ""
    dial_in: str = ""
    tls: TlsSettings | None = None
    certificates: tuple[str, ...] = ()
    name: str = ""
    listen: str | tuple[str, ...] = ()
    clients: Annotated[int, Meta(ge=0)] = 0
    allow_remote: bool = False
    connect_timeout: Annotated[float, Meta(gt=0.0)] = CONNECT_TIMEOUT
    forget_after: Seconds = FORGET_AFTER
    remember: bool | tuple[str, ...] = False
    deadline: Seconds = 0.0
    deadlines: dict[str, Seconds] = field(default_factory=dict)
    watch: bool = True

    def __post_init__(self) -> None:
        places = [self.address, self.glob, self.directory, self.dial_in]
        if sum(map(bool, places)) != 1:
            message = "give one of address, glob, directory and dial-in"
            raise ValueError(message)
        if not self.listen:
            message = "listen: say where its clients connect to"
            raise ValueError(message)
        if self.suffix and not self.directory:
            message = "suffix: it goes with directory"
            raise ValueError(message)
        known: tuple[str, ...] = ("stem", "parent")
        if self.dial_in:
            known = ("vm", "uuid") + ("certificate",) * (self.tls is not None)
        fields = () if self.address else known
        _check_template("name", self.name, fields)
        if isinstance(parse_address(self.address or "/"), StdioAddress):
            message = "address: a monitor on standard input cannot be shared"
            raise AddressError(message)
        self._check_callers()
        for each in self.templates:
            _check_template("listen", each, ("name",))
            if not each.startswith(PREFIX):
                parse_listen_address(each.replace("{name}", "name"))
            if not self.address and "{name}" not in each:
                message = f"listen: {each!r} needs a {{name}}: there may be several"
                raise ValueError(message)
        if self.address and not _NAME.fullmatch(self.name or "x"):
            message = (
                f"name: {self.name!r} has characters other than A-Z a-z 0-9 _.:@+-"
            )
            raise ValueError(message)
        if not isinstance(self.remember, bool):
            strange = sorted(set(self.remember) - set(UNCHANGING))
            if strange:
                message = f"remember: the answer to {strange[0]!r} may change"
                raise ValueError(message)

    def _check_callers(self) -> None:
        """Refuse what cannot be meant of those who dial in."""
        if self.tls is not None:
            if not self.dial_in:
                message = "tls: it goes with dial-in"
                raise ValueError(message)
            if not self.tls.verify:
                message = "tls: without verify = true anybody could be a monitor"
                raise ValueError(message)
        elif self.certificates:
            message = "certificates: they go with tls"
            raise ValueError(message)
        if not self.dial_in or self.dial_in.startswith(PREFIX):
            return
        address = dial_in_address(self.dial_in)
        if isinstance(address, TcpAddress):
            is_safe = is_loopback(address) or self.tls is not None
            if not is_safe and not self.allow_remote:
                message = (
                    f"dial-in: {self.dial_in!r}: others could be a monitor there: "
                    "expected tls, or allow-remote = true"
                )
                raise ValueError(message)
        elif self.tls is not None:
            message = "tls: QEMU speaks it over tcp only"
            raise ValueError(message)

    @property
    def templates(self) -> tuple[str, ...]:
        """What *listen* says, one or several."""
        return (self.listen,) if isinstance(self.listen, str) else self.listen

    @property
    def remembered(self) -> frozenset[str]:
        """The commands whose answers are given from memory."""
        if isinstance(self.remember, bool):
            return frozenset(UNCHANGING if self.remember else ())
        return frozenset(self.remember)

    def places_for(self, name: str) -> list[str]:
        """Return where the clients of the upstream *name* connect to."""
        return [each.replace("{name}", name) for each in self.templates]


def dial_in_address(text: str) -> Address:
    """Return where QEMUs connect to.

    Raises:
        AddressError: It is no address, or none that they can connect to.
    """
    address = parse_listen_address(text)
    if isinstance(address, (StdioAddress, TelnetAddress)):
        message = f"dial-in: {text!r}: QEMUs connect to a socket: unix: or tcp:"
        raise AddressError(message)
    return address


def name_of_path(template: str, path: str) -> str:
    """Return what the upstream at a path is called.

    Args:
        template: With ``{stem}`` and ``{parent}``; empty is ``{stem}``.
        path: Of its socket.

    Raises:
        AddressError: There is nothing left to call it.
    """
    pure = PurePath(path)
    return _named(template or "{stem}", {"stem": pure.stem, "parent": pure.parent.name})


def name_of_caller(template: str, vm: str, uuid: str, certificate: str = "") -> str:
    """Return what a QEMU that has dialled in is called.

    Args:
        template: With ``{vm}``, ``{uuid}`` and ``{certificate}``; empty is ``{vm}``, or
            ``{uuid}`` of one that has no name.
        vm: Its ``-name``; may be empty.
        uuid: Its ``-uuid``.
        certificate: The name in its certificate; may be empty.

    Raises:
        AddressError: There is nothing left to call it.
    """
    values = {"vm": vm, "uuid": uuid, "certificate": certificate}
    return _named(template or ("{vm}" if vm else "{uuid}"), values)


def _named(template: str, values: dict[str, str]) -> str:
    name = template
    for key, value in values.items():
        # What a guest's owner chose must not lead out of a directory.
        name = name.replace(f"{{{key}}}", _OTHERS.sub("_", value))
    name = name.lstrip(".")[:MAX_NAME]
    if not name:
        message = f"the name {template!r} comes to nothing for {values}"
        raise AddressError(message)
    return name


def _check_template(key: str, template: str, fields: tuple[str, ...]) -> None:
    for found in re.findall(r"\{[^}]*\}?", template):
        if found not in [f"{{{each}}}" for each in fields]:
            may = " ".join(f"{{{each}}}" for each in fields) or "no braces"
            message = f"{key}: {template!r} has {found}; there may be {may}"
            raise ValueError(message)
