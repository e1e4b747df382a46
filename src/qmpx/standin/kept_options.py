"""Options that are checked, and have no effect: tables of the firmware, SPICE.

No firmware runs here that would read ``-smbios``, ``-acpitable`` and ``-fw_cfg``, and
nobody is served over SPICE: ``query-spice`` tells of a server that has no clients.

Source: QEMU 7.2.22, observed; ``query-command-line-options``.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from qmpx.standin.failure import StartFailure
from qmpx.standin.option_lists import OptionList, parse_keyval
from qmpx.standin.unused_options import check_unused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from qmpx.machine import Machine
    from qmpx.machine.display.spice import Spice
    from qmpx.standin.option_lists import OptionTypes

    Warn = Callable[[str], None]

_STRINGS: Final = {
    0: "vendor version date release",
    1: "manufacturer product version serial uuid sku family",
    2: "manufacturer product version serial asset location",
    3: "manufacturer version serial asset sku",
    4: "sock_pfx manufacturer version serial asset part",
    8: "internal_reference external_reference",
    11: "value path",
    17: "loc_pfx bank manufacturer serial asset part",
    41: "designation kind pcidev",
}
_NUMBERS: Final = {
    4: "max-speed current-speed processor-id",
    8: "connector_type port_type",
    17: "speed",
    41: "instance",
}
_MOST_SPEED: Final = 65535
_RELEASE: Final = r"[0-9]{1,3}\.[0-9]{1,3}"
_UUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

_ACPI: Final[OptionTypes] = {
    **dict.fromkeys(("sig", "oem_id", "oem_table_id", "asl_compiler_id"), "str"),
    **dict.fromkeys(("rev", "oem_rev", "asl_compiler_rev"), "number"),
    **dict.fromkeys(("file", "data"), "str"),
}
_ACPI_HEADER: Final = 36
"""Bytes of an ACPI table's header."""

_FW_CFG: Final[OptionTypes] = dict.fromkeys(("name", "file", "string", "gen_id"), "str")

_SPICE: Final[OptionTypes] = {
    **dict.fromkeys(("port", "tls-port", "display", "head"), "number"),
    **dict.fromkeys(("ipv4", "ipv6", "unix", "sasl", "disable-ticketing"), "bool"),
    **dict.fromkeys(("disable-copy-paste", "disable-agent-file-xfer"), "bool"),
    **dict.fromkeys(("agent-mouse", "playback-compression", "gl"), "bool"),
    "seamless-migration": "bool",
    **dict.fromkeys(("addr", "password", "password-secret", "rendernode"), "str"),
    **dict.fromkeys(("x509-dir", "x509-key-file", "x509-key-password"), "str"),
    **dict.fromkeys(("x509-cert-file", "x509-cacert-file", "x509-dh-key-file"), "str"),
    **dict.fromkeys(("tls-ciphers", "tls-channel", "plaintext-channel"), "str"),
    **dict.fromkeys(("image-compression", "jpeg-wan-compression"), "str"),
    **dict.fromkeys(("zlib-glz-wan-compression", "streaming-video"), "str"),
}
_IMAGES: Final = ("off", "auto_glz", "auto_lz", "quic", "glz", "lz", "lz4")
_WORDS: Final = {
    "image-compression": ("image compression", _IMAGES),
    "jpeg-wan-compression": ("wan compression", ("auto", "never", "always")),
    "zlib-glz-wan-compression": ("wan compression", ("auto", "never", "always")),
    "streaming-video": ("stream video control", ("off", "all", "filter")),
}


def check_smbios(option: str, value: str, warn: Warn) -> None:
    """Check ``-smbios``.

    Raises:
        StartFailure: It is no table that can be made.
    """
    loose = OptionList(option, value, None, "", warn)
    if "file" in loose:
        if not os.access(loose["file"], os.R_OK):
            raise loose.failure(f"Cannot read SMBIOS file {loose['file']}")
        return
    if not loose.get("type", "").isdecimal():
        message = "Must specify type= or file="
        raise loose.failure(message)
    number = int(loose["type"])
    if number not in _STRINGS:
        message = f"Don't know how to build fields for SMBIOS type {number}"
        raise loose.failure(message)
    types: dict[str, str] = {"type": "number"}
    types |= dict.fromkeys(_STRINGS[number].split(), "str")
    types |= dict.fromkeys(_NUMBERS.get(number, "").split(), "number")
    if number == 0:
        types["uefi"] = "bool"
    options = OptionList(option, value, types)
    if number == 0 and not re.fullmatch(_RELEASE, options.get("release", "0.0")):
        message = "Invalid release"
        raise options.failure(message)
    if number == 1 and "uuid" in options and not re.fullmatch(_UUID, options["uuid"]):
        message = "Invalid UUID"
        raise options.failure(message)
    if number == 4 and any(
        options.number(name) > _MOST_SPEED for name in ("max-speed", "current-speed")
    ):
        message = f"SMBIOS CPU speed is too large (> {_MOST_SPEED})"
        raise options.failure(message)


def check_acpi_table(option: str, value: str, warn: Warn) -> None:
    """Check ``-acpitable``.

    Raises:
        StartFailure: It is no table that can be made.
    """
    options = OptionList(option, value, _ACPI, "", warn)
    if ("file" in options) == ("data" in options):
        message = "'-acpitable' requires one of 'data' or 'file'"
        raise options.failure(message)
    size = 0
    files = options.get("file", options.get("data", ""))
    for path in files.split(":"):
        try:
            size += os.stat(path).st_size
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise options.failure(f"can't open file {path}: {reason}") from None
    if "file" in options and size < _ACPI_HEADER:
        message = (
            f"ACPI table claiming to have header is too short, available: {size}, "
            f"expected: {_ACPI_HEADER}"
        )
        raise options.failure(message)
    if len(options) == 1 and "data" in options:
        warn(f"{option} {value}: warning: ACPI table: no headers are specified")


def check_firmware_item(option: str, value: str, warn: Warn) -> None:
    """Check ``-fw_cfg``.

    Raises:
        StartFailure: It is no item that can be made.
    """
    options = OptionList(option, value, _FW_CFG, "name")
    sources = options.keys() & {"file", "string", "gen_id"}
    if not options.get("name") or len(sources) != 1:
        message = "name, plus exactly one of file, string and gen_id, are needed"
        raise options.failure(message)
    if not options["name"].startswith("opt/"):
        warn(
            f"{option} {value}: warning: externally provided fw_cfg item names should "
            'be prefixed with "opt/"'
        )
    path = options.get("file")
    if path is not None and not os.path.exists(path):
        message = (
            f"can't load {path}: Failed to open file “{path}”: No such file or "
            "directory"
        )
        raise options.failure(message)


def read_spice(option: str, value: str, warn: Warn) -> Spice:
    """Return the server that ``-spice`` describes; nobody is served by it.

    Raises:
        StartFailure: It describes none.
    """
    options = OptionList(option, value, _SPICE, "", warn)
    ports: dict[str, Any] = {}
    for name in ("port", "tls-port"):
        ports[name] = options.number(name)
        if not 0 <= ports[name] <= 65535:
            message = f"spice {name.replace('-', ' ')} is out of range"
            raise StartFailure(message)
    for name, (called, words) in _WORDS.items():
        if options.get(name, words[0]) not in words:
            message = f"spice: invalid {called}: {options[name]}"
            raise StartFailure(message)
    if "password" in options:
        warn(
            "warning: 'password' option is deprecated and insecure, use "
            "'password-secret' instead"
        )
    is_open = options.switch("disable-ticketing")
    auth = "sasl" if options.switch("sasl") else "none" if is_open else "spice"
    from qmpx.machine.display.spice import Spice  # few machines have any

    return Spice(
        options.get("addr", "*"), ports["port"] or None, ports["tls-port"] or None, auth
    )


_CHECKS: Final = {
    "smbios": check_smbios,
    "acpitable": check_acpi_table,
    "fw_cfg": check_firmware_item,
}


def check_kept(
    machine: Machine,
    kept: Iterable[tuple[str, str]],
    warn: Warn,
    labels: Collection[str | None] = (),
) -> None:
    """Check options that have little effect here, or none.

    Args:
        machine: The machine, which is told of SPICE and of audio back ends.
        kept: The options and what stands after them.
        warn: Is told what is dubious.
        labels: The character devices that there are to be.

    Raises:
        StartFailure: One says what cannot be.
    """
    for name, text in kept:
        if name in _CHECKS:
            _CHECKS[name](f"-{name}", text, warn)
        elif name == "spice":
            machine.spice = read_spice("-spice", text, warn)
        else:
            check_unused(name, text, labels)
        if name == "audiodev":
            machine.captures.backends.add(_audio_id(text))


def _audio_id(text: str) -> str:
    """Return the name of an audio back end, whose description is right."""
    if text.startswith("{"):
        from qmpx.wire.value import read_value

        return str(read_value(text).get("id"))
    return str(parse_keyval("-audiodev", text, "driver").get("id"))
