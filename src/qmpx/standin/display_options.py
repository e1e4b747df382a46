"""Where the screen is shown: ``-vnc``.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterable
from typing import Final

from qmpx.errors import CommandError
from qmpx.machine import Machine
from qmpx.standin.option_lists import OptionList

_SHARES: Final = ("allow-exclusive", "ignore", "force-shared")
_TYPES: Final = {
    **dict.fromkeys(("vnc", "websocket", "tls-creds", "share", "display"), "str"),
    **dict.fromkeys(("password-secret", "tls-authz", "sasl-authz", "audiodev"), "str"),
    **dict.fromkeys(("head", "connections", "to", "key-delay-ms"), "number"),
    **dict.fromkeys(("ipv4", "ipv6", "password", "reverse", "lock-key-sync"), "bool"),
    **dict.fromkeys(("sasl", "acl", "lossy", "non-adaptive"), "bool"),
    "power-control": "bool",
}
"""What ``-vnc`` may say."""


async def open_vnc(machine: Machine, texts: Iterable[str]) -> None:
    """Open VNC servers.

    Args:
        machine: Whose screen they show.
        texts: What stands after each ``-vnc``.

    Raises:
        StartFailure: One cannot be had.
    """
    for text in texts:
        if text == "none":
            continue
        options = OptionList("-vnc", text, _TYPES, "vnc")
        if options.get("share", _SHARES[0]) not in _SHARES:
            message = "unknown vnc share= option"
            raise options.failure(message)
        if (credentials := options.get("tls-creds")) not in (None, *machine.objects):
            message = f"No TLS credentials with id '{credentials}'"
            raise options.failure(message)
        where = options["vnc"]
        if ":" not in where:
            message = "no vnc port specified"
            raise options.failure(message)
        if options.switch("password"):
            where += ",password"
        try:
            await machine.display.start_vnc(where)
        except CommandError as error:
            raise options.failure(error.desc) from None
