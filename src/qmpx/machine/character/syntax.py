"""The syntax of ``-serial`` and ``-parallel``, turned into options of ``-chardev``.

Source: QEMU 0.13.
"""

import re
from typing import Final

from qmpx.errors import GenericError

_WORDS: Final = frozenset({"null", "pty", "stdio"})
_HOST_PORT: Final = re.compile(r"([^:,]{0,64}):([^,]{1,32})(?:,(.*))?", re.DOTALL)
_UDP: Final = re.compile(
    r"([^:@,]{0,64}):([^@,]{1,32})(?:@([^:,]{0,64}):([^,]{1,32}))?", re.DOTALL
)


def parse_legacy(text: str) -> dict[str, str]:
    """Return the options that a text such as ``unix:PATH,server,nowait`` stands for.

    Raises:
        GenericError: It stands for none.
    """
    options: dict[str, str] = {}
    where = text
    if where.startswith("mon:"):
        where = where.removeprefix("mon:")
        options["mux"] = "on"
    scheme, colon, rest = where.partition(":")
    if where in _WORDS:
        return {**options, "backend": where}
    if where == "vc" or (scheme == "vc" and colon):
        return {**options, "backend": "vc"}
    if scheme in ("file", "pipe") and colon:
        return {**options, "backend": scheme, "path": rest}
    if where.startswith("/dev/"):
        return {**options, "backend": "tty", "path": where}
    if scheme == "unix" and colon:
        path, _, flags = rest.partition(",")
        return {**options, "backend": "socket", "path": path, **_flags(flags)}
    if scheme in ("tcp", "telnet") and (match := _HOST_PORT.fullmatch(rest)):
        options |= {"backend": "socket", "host": match[1], "port": match[2]}
        options |= _flags(match[3] or "")
        return {**options, "telnet": "on"} if scheme == "telnet" else options
    if scheme == "udp" and (match := _UDP.fullmatch(rest)):
        options |= {"backend": "udp", "host": match[1], "port": match[2]}
        if match[4]:
            options |= {"localaddr": match[3], "localport": match[4]}
        return options
    message = f"{text!r} is no character device"
    raise GenericError(message)


def _flags(text: str) -> dict[str, str]:
    """Return ``server,nowait,ipv4=off`` as options."""
    options: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if equals:
            options[name] = value
        elif name.startswith("no"):
            options[name.removeprefix("no")] = "off"
        else:
            options[name] = "on"
    return options
