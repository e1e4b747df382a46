"""What displays there are beside VNC: none; and what can be asked of all of them.

Source: QEMU 7.2.22, observed.
"""

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Struct

from qmpx.errors import CommandError, GenericError, InvalidParameterValue
from qmpx.machine import Machine
from qmpx.machine.display.spice import VERSION
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Boxed

commands = CommandRegistry(reads_late=True)


class DisplayOptions(TypedDict):
    """The display that the machine was started with."""

    type: Literal["none"]


@commands.command("query-display-options")
def query_display_options(machine: Machine) -> DisplayOptions:  # noqa: ARG001
    """Tell that no window shows the machine."""
    return {"type": "none"}


SpiceInfo = TypedDict(
    "SpiceInfo",
    {
        "enabled": bool,
        "migrated": bool,
        "host": NotRequired[str],
        "port": NotRequired[int],
        "tls-port": NotRequired[int],
        "auth": NotRequired[str],
        "compiled-version": NotRequired[str],
        "mouse-mode": Literal["client", "server"],
        "channels": NotRequired[list[str]],
    },
)


@commands.command("query-spice")
def query_spice(machine: Machine) -> SpiceInfo:
    """Tell of the SPICE server, if there is one; it never has clients."""
    spice = machine.spice
    if spice is None:
        return {"enabled": False, "migrated": False, "mouse-mode": "client"}
    told: SpiceInfo = {
        "enabled": True,
        "migrated": False,
        "host": spice.host,
        "auth": spice.auth,
        "compiled-version": VERSION,
        "channels": [],
        "mouse-mode": "server",
    }
    if spice.port is not None:
        told["port"] = spice.port
    if spice.tls_port is not None:
        told["tls-port"] = spice.tls_port
    return told


class _SpiceNotInUse(CommandError):
    def __init__(self) -> None:
        self._set("DeviceNotActive", "SPICE is not in use", {}, None)


@commands.command("client_migrate_info")
def client_migrate_info(
    machine: Machine,  # noqa: ARG001
    *,
    protocol: str,
    hostname: str,  # noqa: ARG001
    port: int | None = None,  # noqa: ARG001
    tls_port: int | None = None,  # noqa: ARG001
    cert_subject: str | None = None,  # noqa: ARG001
) -> None:
    """Refuse: there is no SPICE server whose clients could follow the machine.

    Raises:
        InvalidParameterValue: The protocol is not SPICE.
        DeviceNotActive: It is.
    """
    if protocol == "spice":
        raise _SpiceNotInUse
    raise InvalidParameterValue(name="protocol", expected="'spice'")


class ReloadVnc(
    Struct, tag_field="type", tag="vnc", rename="kebab", forbid_unknown_fields=True
):
    """What is to be read anew."""

    tls_certs: bool | None = None


@commands.command("display-reload")
def display_reload(
    machine: Machine,
    *,
    options: Annotated[ReloadVnc, Boxed()],
) -> None:
    """Read certificates anew: there are none.

    Raises:
        GenericError: That is what is asked for.
    """
    if options.tls_certs:
        message = "vnc tls is not enabled"
        if not machine.shows_vnc:
            message = "Can not find vnc display"
        raise GenericError(message)
