"""Where VNC is to be had: ``HOST:DISPLAY``, ``unix:PATH`` or ``none``, with options.

Source: the ``-vnc`` option of QEMU 0.13, and ``share=`` of today's.
"""

import re
from typing import Final, Literal

from qmpx.machine.values import Value

FIRST_PORT: Final[int] = 5900
"""The TCP port of display 0."""
LAST_PORT: Final[int] = 65535
"""The highest TCP port that there is."""

Share = Literal["ignore", "allow-exclusive", "force-shared"]

_SHARES: Final[dict[str, Share]] = {
    "ignore": "ignore",
    "allow-exclusive": "allow-exclusive",
    "force-shared": "force-shared",
}
_WITHOUT_EFFECT: Final = frozenset({"lossy", "no-lock-key-sync", "non-adaptive"})
_HOST_AND_NUMBER: Final = re.compile(r"(\[[^]]*\]|[^:,]*):(\d{1,5})")


class VncTargetError(ValueError):
    """A text does not say where VNC is to be had."""


class VncTarget(Value, frozen=True):
    """Where VNC is to be had.

    Attributes:
        host: To listen on, or to connect to; empty for all of this host.
        port: The TCP port.
        last_port: Up to which a free one is looked for.
        family: ``any``, ``ipv4`` or ``ipv6``.
        path: Of a unix socket, if it is one.
        needs_password: Whether clients have to give one.
        is_reverse: Whether to connect to a viewer that listens.
        has_lists: Whether there are access control lists.
        share: What becomes of the others when a client wants to look alone: they stay
            (``ignore``, as in 0.13), they go, or it goes.
    """

    host: str = ""
    port: int = 0
    last_port: int = 0
    family: Literal["any", "ipv4", "ipv6"] = "any"
    path: str = ""
    needs_password: bool = False
    is_reverse: bool = False
    has_lists: bool = False
    share: Share = "ignore"


def parse_vnc_target(text: str) -> VncTarget:
    """Return what a ``-vnc`` option says; ``none`` is not for here.

    An option that this server does not have is an error: a display that was asked to
    use TLS or SASL must not be open without.

    Raises:
        VncTargetError: It says nothing that can be done.
    """
    where, *options = text.split(",")
    values = dict(option.partition("=")[::2] for option in options)
    is_reverse = _is_on(values, "reverse")
    needs_password = _is_on(values, "password")
    has_lists = _is_on(values, "acl")
    share = _SHARES.get(values.pop("share", "ignore"))
    if share is None:
        message = f"share is {', '.join(_SHARES)}"
        raise VncTargetError(message)
    more_ports = _number(values.pop("to", "0"))
    family = _family(values)
    if unknown := values.keys() - _WITHOUT_EFFECT:
        message = f"no option {min(unknown)!r}"
        raise VncTargetError(message)
    if where.startswith("unix:"):
        host, port, path = "", 0, where.removeprefix("unix:")
        if not path:
            message = "no path"
            raise VncTargetError(message)
    else:
        match = _HOST_AND_NUMBER.fullmatch(where)
        if match is None:
            message = "it is no HOST:DISPLAY, unix:PATH or none"
            raise VncTargetError(message)
        host, port, path = match[1].strip("[]"), int(match[2]), ""
        port += 0 if is_reverse else FIRST_PORT
        if port > LAST_PORT:
            message = f"there is no TCP port {port}"
            raise VncTargetError(message)
    return VncTarget(
        host=host,
        port=port,
        last_port=min(max(port, FIRST_PORT + more_ports), LAST_PORT),
        family=family,
        path=path,
        needs_password=needs_password,
        is_reverse=is_reverse,
        has_lists=has_lists,
        share=share,
    )


def _is_on(values: dict[str, str], name: str) -> bool:
    value = values.pop(name, "off")
    if value not in ("", "on", "off"):
        message = f"{name} is on or off, not {value!r}"
        raise VncTargetError(message)
    return value != "off"


def _family(values: dict[str, str]) -> Literal["any", "ipv4", "ipv6"]:
    only_4, only_6 = _is_on(values, "ipv4"), _is_on(values, "ipv6")
    if only_4 and only_6:
        message = "either ipv4 or ipv6"
        raise VncTargetError(message)
    return "ipv4" if only_4 else "ipv6" if only_6 else "any"


def _number(digits: str) -> int:
    if not re.fullmatch(r"\d{1,5}", digits, re.ASCII):
        message = f"{digits!r} is no number"
        raise VncTargetError(message)
    return int(digits)
