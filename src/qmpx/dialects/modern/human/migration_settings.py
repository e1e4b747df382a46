"""Parameters and capabilities of a migration, as people set and see them.

Source: QEMU 7.2.22, observed.
"""

from typing import Any, Final

from qmpx.dialects.modern.human.declaring import HumanTable, ask, ask_exactly, on_off
from qmpx.errors import GenericError
from qmpx.monitor.human.sizes import read_size
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

PARAMETERS: Final = (
    ("announce-initial", "announce-initial", " ms"),
    ("announce-max", "announce-max", " ms"),
    ("announce-rounds", "announce-rounds", ""),
    ("announce-step", "announce-step", " ms"),
    ("compress-level", "compress-level", ""),
    ("compress-threads", "compress-threads", ""),
    ("compress-wait-thread", "compress-wait-thread", ""),
    ("decompress-threads", "decompress-threads", ""),
    ("throttle-trigger-threshold", "throttle-trigger-threshold", ""),
    ("cpu-throttle-initial", "cpu-throttle-initial", ""),
    ("cpu-throttle-increment", "cpu-throttle-increment", ""),
    ("cpu-throttle-tailslow", "cpu-throttle-tailslow", ""),
    ("max-cpu-throttle", "max-cpu-throttle", ""),
    ("tls-creds", "tls-creds", "'"),
    ("tls-hostname", "tls-hostname", "'"),
    ("max-bandwidth", "max-bandwidth", " bytes/second"),
    ("downtime-limit", "downtime-limit", " ms"),
    ("x-checkpoint-delay", "x-checkpoint-delay", " ms"),
    ("block-incremental", "block-incremental", ""),
    ("multifd-channels", "multifd-channels", ""),
    ("multifd-compression", "multifd-compression", ""),
    ("xbzrle-cache-size", "xbzrle-cache-size", " bytes"),
    ("max-postcopy-bandwidth", "max-postcopy-bandwidth", ""),
    ("tls-authz", "tls-authz", "'"),
)
"""The parameters as they are shown: name there, name in QMP, and what is behind it; a
quote says that the value stands in quotes."""

_SIZES: Final = {
    "max-bandwidth": 20,
    "xbzrle-cache-size": 0,
    "max-postcopy-bandwidth": 20,
}  # and what a number alone is multiplied by, as a power of two
_TEXTS: Final = ("tls-creds", "tls-hostname", "tls-authz", "multifd-compression")
_SWITCHES: Final = (
    "compress-wait-thread",
    "cpu-throttle-tailslow",
    "block-incremental",
)
_ENUMERATIONS: Final = {"multifd-compression": ("none", "zlib", "zstd")}


@commands.does("migrate_set_capability")
async def migrate_set_capability(
    session: SessionLike, *, capability: str, state: bool
) -> None:
    """Switch a capability on or off."""
    known = await ask(session, "query-migrate-capabilities")
    if capability not in {each["capability"] for each in known}:
        raise GenericError(f"invalid parameter value: {capability}")
    change = {"capability": capability, "state": state}
    await ask(session, "migrate-set-capabilities", capabilities=[change])


@commands.does("migrate_set_parameter")
async def migrate_set_parameter(
    session: SessionLike, *, parameter: str, value: str
) -> None:
    """Set a parameter; numbers of bytes may have a letter for what they are in."""
    names = {name for name, _, _ in PARAMETERS}
    if parameter not in names:
        raise GenericError(f"invalid parameter value: {parameter}")
    await ask_exactly(
        session, "migrate-set-parameters", {parameter: _read(parameter, value)}
    )


def _read(parameter: str, text: str) -> Any:
    """Return the value that a person means.

    Raises:
        GenericError: It is none.
    """
    if parameter in _ENUMERATIONS and text not in _ENUMERATIONS[parameter]:
        raise GenericError(f"Parameter '{parameter}' does not accept value '{text}'")
    if parameter in _TEXTS:
        return text
    if parameter in _SWITCHES:
        if text not in ("on", "yes", "true", "y", "off", "no", "false", "n"):
            raise GenericError(f"Parameter '{parameter}' expects 'on' or 'off'")
        return text in ("on", "yes", "true", "y")
    if parameter in _SIZES:
        found = read_size(text, 0)
        if found is None or found[1] < len(text):
            raise GenericError(f"Invalid size {text}")
        if text[-1:].isdigit():
            return found[0] >> 20 << _SIZES[parameter]
        return found[0]
    try:
        return int(text, 0)
    except ValueError:
        raise GenericError(f"Parameter '{parameter}' expects uint64") from None


@commands.shows("migrate_capabilities")
async def info_migrate_capabilities(session: SessionLike) -> str:
    """Return the capabilities."""
    known = await ask(session, "query-migrate-capabilities")
    return "".join(f"{x['capability']}: {on_off(x['state'])}\n" for x in known)


@commands.shows("migrate_parameters")
async def info_migrate_parameters(session: SessionLike) -> str:
    """Return the parameters."""
    values = await ask(session, "query-migrate-parameters")
    lines: list[str] = []
    for shown, name, unit in PARAMETERS:
        value = values.get(name, "" if unit == "'" else 0)
        if isinstance(value, bool):
            value = on_off(value)
        lines.append(
            f"{shown}: '{value}'\n" if unit == "'" else f"{shown}: {value}{unit}\n"
        )
    return "".join(lines)
