"""Options of which nothing comes here, and that are wrong all the same.

There is no TPM, no shared file system, no sound, no instruction that is counted; but
who asks for them with a slip is told so.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Final

from qmpx.standin.failure import StartFailure
from qmpx.standin.option_lists import OptionList, parse_keyval

if TYPE_CHECKING:
    from collections.abc import Collection

    from qmpx.standin.option_lists import OptionTypes

UNSUPPORTED: Final = frozenset(
    {
        *("semihosting", "semihosting-config", "prom-env", "old-param"),
        *("xen-domid", "xen-attach", "xen-domid-restrict"),
    }
)
"""Options of other machines than PCs."""

MAX_SHIFT: Final = 10
"""The slowest that ``-icount`` counts instructions: one in 2^10 nanoseconds."""

_COUNTING: Final[OptionTypes] = {
    **dict.fromkeys(("shift", "rr", "rrfile", "rrsnapshot"), "str"),
    **dict.fromkeys(("align", "sleep"), "bool"),
}
_POLICIES: Final = {
    "deprecated-input": ("accept", "reject", "crash"),
    "deprecated-output": ("accept", "hide"),
    "unstable-input": ("accept", "reject", "crash"),
    "unstable-output": ("accept", "hide"),
}
_TPM: Final = "/dev/tpm0"
_SECURITY: Final = (
    "security_model property not set\n"
    "Valid options are: security_model=[passthrough|mapped-xattr|mapped-file|none]"
)


def check_unused(name: str, text: str, labels: Collection[str | None]) -> None:
    """Check an option.

    Args:
        name: The option, without its dash.
        text: What stands after it.
        labels: The character devices that there are to be.

    Raises:
        StartFailure: It is wrong.
    """
    if name in UNSUPPORTED:
        message = "Option not supported for this target"
        raise StartFailure(message, f"-{name}", text or None)
    match name:
        case "icount":
            _check_counting(text)
        case "tpmdev":
            _check_tpm(text, labels)
        case "fsdev" | "virtfs":
            _check_file_system(name, text)
        case "audiodev" if not text.startswith("{"):
            if "id" not in parse_keyval("-audiodev", text, "driver"):
                message = "Parameter 'id' is missing"
                raise StartFailure(message, "-audiodev", text)
        case "compat" if not text.startswith("{"):
            _check_policies(text)
        case "runas":
            _check_user(text)


def _check_counting(text: str) -> None:
    options = OptionList("-icount", text, _COUNTING, "shift")
    shift = options.get("shift", "auto")
    fits = shift.isdecimal() and int(shift) <= MAX_SHIFT
    if shift != "auto" and not fits:
        message = "icount: Invalid shift value"
        raise options.failure(message)


def _check_tpm(text: str, labels: Collection[str | None]) -> None:
    options = OptionList("-tpmdev", text, None, "type")
    if options.id is None:
        raise options.failure("Parameter 'id' is missing")
    if options.get("type") == "passthrough":
        path = options.get("path", _TPM)
        if not os.path.exists(path):
            why = f"'{path}': No such file or directory"
            raise options.failure(f"Cannot access TPM device using {why}")
    if options.get("type") == "emulator":
        label = options.get("chardev")
        if label is None:
            raise options.failure("tpm-emulator: parameter 'chardev' is missing")
        if label not in labels:
            message = f"tpm-emulator: tpm chardev '{label}' not found"
            raise options.failure(message)


def _check_file_system(name: str, text: str) -> None:
    options = OptionList(f"-{name}", text, None, "fsdriver")
    if name == "virtfs" and "mount_tag" not in options:
        message = "Usage: -virtfs fsdriver,mount_tag=tag"
        raise options.failure(message)
    if name == "fsdev" and options.id is None:
        raise options.failure("fsdev: No id specified")
    if options.get("fsdriver") == "local" and "security_model" not in options:
        raise options.failure(_SECURITY)


def _check_policies(text: str) -> None:
    for name, value in parse_keyval("-compat", text).items():
        known = _POLICIES.get(name)
        if known is None:
            message = f"Parameter '{name}' is unexpected"
            raise StartFailure(message, "-compat", text)
        if value not in known:
            message = f"Parameter '{name}' does not accept value '{value}'"
            raise StartFailure(message, "-compat", text)


def _check_user(text: str) -> None:
    user, colon, group = text.partition(":")
    if colon and user.isdecimal() and group.isdecimal():
        return
    try:
        pwd.getpwnam(text)
    except KeyError:
        message = f'User "{text}" doesn\'t exist (and is not <uid>:<gid>)'
        raise StartFailure(message, "-runas", text) from None
