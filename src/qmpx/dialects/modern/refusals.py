"""What this machine does not have, refused in QEMU's words for a machine without it.

Xen, COLO, replay, SEV, SGX, the rocker switch, device trees, and limits that need KVM.

Source: QEMU 7.2.22, observed: a PC under TCG.
"""

import json
import os
from collections.abc import Callable
from typing import Annotated, Any, NoReturn, TypedDict

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Described, Size, Values

commands = CommandRegistry(reads_late=True)


def _refuse(name: str, message: str) -> Callable[..., Any]:
    """Declare a command without arguments that is always refused."""

    def refuse(machine: Machine) -> NoReturn:  # noqa: ARG001
        raise GenericError(message)

    refuse.__doc__ = "Refuse: this machine has nothing of the kind."
    return commands.command(name)(refuse)


_refuse("x-colo-lost-heartbeat", "The feature 'colo' is not enabled")
_refuse("query-sev-capabilities", "KVM not enabled")
_refuse("query-sev-launch-measure", "SEV launch measurement is not available")
_refuse("query-sgx-capabilities", "SGX is not enabled in KVM")
_refuse("replay-delete-break", "replay breakpoints are allowed only in play mode")
_refuse("x-query-profile", "Internal profiler not compiled")
_refuse(
    "x-exit-preconfig", "The command is permitted only before machine initialization"
)


SevState = TypedDict(
    "SevState",
    {
        "enabled": bool,
        "api-major": int,
        "api-minor": int,
        "build-id": int,
        "policy": int,
        "state": Annotated[str, Values("uninit")],
        "handle": int,
    },
)


@commands.command("query-sev")
def query_sev(machine: Machine) -> SevState:  # noqa: ARG001
    """Tell that the guest's memory is not encrypted."""
    return {
        "enabled": False,
        "api-major": 0,
        "api-minor": 0,
        "build-id": 0,
        "policy": 0,
        "state": "uninit",
        "handle": 0,
    }


@commands.command("query-sev-attestation-report")
def query_sev_attestation_report(
    machine: Machine,  # noqa: ARG001
    *,
    mnonce: str,  # noqa: ARG001
) -> NoReturn:
    """Refuse: the guest's memory is not encrypted."""
    message = "SEV is not enabled"
    raise GenericError(message)


@commands.command("sev-inject-launch-secret")
def sev_inject_launch_secret(
    machine: Machine,  # noqa: ARG001
    *,
    packet_header: str,  # noqa: ARG001
    secret: str,  # noqa: ARG001
    gpa: int | None = None,  # noqa: ARG001
) -> NoReturn:
    """Refuse: the guest's memory is not encrypted."""
    message = "SEV not enabled for guest"
    raise GenericError(message)


@commands.command("replay-break")
def replay_break(machine: Machine, *, icount: int) -> NoReturn:  # noqa: ARG001
    """Refuse: nothing is replayed."""
    message = "setting the breakpoint is allowed only in play mode"
    raise GenericError(message)


@commands.command("replay-seek")
def replay_seek(machine: Machine, *, icount: int) -> NoReturn:  # noqa: ARG001
    """Refuse: nothing is replayed."""
    message = "replay must be enabled to seek"
    raise GenericError(message)


@commands.command("dumpdtb")
def dumpdtb(machine: Machine, *, filename: str) -> NoReturn:  # noqa: ARG001
    """Refuse: a PC has no device tree."""
    message = "This machine doesn't have a FDT"
    raise GenericError(message)


def _rocker(name: str) -> None:
    def refuse(machine: Machine, *, name: str) -> NoReturn:  # noqa: ARG001
        message = f"rocker {name} not found"
        raise GenericError(message)

    refuse.__doc__ = "Refuse: there is no such switch."
    commands.command(name)(refuse)


_rocker("query-rocker")
_rocker("query-rocker-ports")


@commands.command("query-rocker-of-dpa-flows")
def query_rocker_of_dpa_flows(
    machine: Machine,  # noqa: ARG001
    *,
    name: str,
    tbl_id: Annotated[int, Described("uint32")] | None = None,  # noqa: ARG001
) -> NoReturn:
    """Refuse: there is no such switch."""
    message = f"rocker {name} not found"
    raise GenericError(message)


@commands.command("query-rocker-of-dpa-groups")
def query_rocker_of_dpa_groups(
    machine: Machine,  # noqa: ARG001
    *,
    name: str,
    type_: Annotated[int, Described("uint8")] | None = None,  # noqa: ARG001
) -> NoReturn:
    """Refuse: there is no such switch."""
    message = f"rocker {name} not found"
    raise GenericError(message)


@commands.command("set-vcpu-dirty-limit")
def set_vcpu_dirty_limit(
    machine: Machine,  # noqa: ARG001
    *,
    dirty_rate: Size,  # noqa: ARG001
    cpu_index: int | None = None,  # noqa: ARG001
) -> NoReturn:
    """Refuse: that needs KVM."""
    message = (
        "dirty page limit feature requires KVM with accelerator property "
        "'dirty-ring-size' set'"
    )
    raise GenericError(message)


@commands.command("cancel-vcpu-dirty-limit")
def cancel_vcpu_dirty_limit(
    machine: Machine,
    *,
    cpu_index: int | None = None,
) -> None:
    """Let processors write memory without a limit: there is none."""


# Xen and COLO.


@commands.command("xen-save-devices-state")
def xen_save_devices_state(
    machine: Machine,
    *,
    filename: str,
    live: bool | None = None,  # noqa: ARG001
) -> None:
    """Write the state of all devices to a file, without the memory.

    Raises:
        GenericError: The file cannot be written.
    """
    from qmpx.machine.devices.moving import save

    was_running = machine.state.is_running
    if was_running:
        machine.stop()
    try:
        with open(filename, "w", encoding="ascii") as file:
            json.dump(save(machine.devices), file)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        message = f"Unable to open {filename}: {why}"
        raise GenericError(message) from error
    finally:
        if was_running:
            machine.cont()


@commands.command("xen-load-devices-state")
def xen_load_devices_state(
    machine: Machine,
    *,
    filename: str,
) -> NoReturn:
    """Refuse: it is no Xen machine."""
    if machine.state.is_running:
        message = "Cannot update device state while vm is running"
        raise GenericError(message)
    _refuse_file(filename, os.O_RDONLY)


def _refuse_file(filename: str, mode: int) -> NoReturn:
    """Refuse a file that cannot be opened in QEMU's words, and any other, too."""
    try:
        os.close(os.open(filename, mode | os.O_CLOEXEC))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        message = f"Unable to open {filename}: {why}"
        raise GenericError(message) from error
    message = "Xen is not supported by this machine"
    raise GenericError(message)


@commands.command("xen-set-global-dirty-log")
def xen_set_global_dirty_log(
    machine: Machine,
    *,
    enable: bool,
) -> None:
    """Note whether written pages are counted: they always are."""


@commands.command("xen-set-replication")
def xen_set_replication(
    machine: Machine,  # noqa: ARG001
    *,
    enable: bool,
    primary: bool,  # noqa: ARG001
    failover: bool | None = None,
) -> None:
    """Begin or end the replication of nothing.

    Raises:
        GenericError: It is to begin, and to fail over at once.
    """
    if enable and failover is not None:
        message = "Parameter 'failover' is only for stopping replication"
        raise GenericError(message)


@commands.command("xen-colo-do-checkpoint")
def xen_colo_do_checkpoint(machine: Machine) -> None:
    """Let all replications take note of a moment: there are none."""


class ReplicationStatus(TypedDict):
    """How a replication is."""

    error: bool


@commands.command("query-xen-replication-status")
def query_xen_replication_status(
    machine: Machine,  # noqa: ARG001
) -> ReplicationStatus:
    """Tell that no replication has failed: there is none."""
    return {"error": False}


ColoMode = Annotated[str, Values("none", "primary", "secondary")]

ColoStatus = TypedDict(
    "ColoStatus",
    {
        "mode": ColoMode,
        "last-mode": ColoMode,
        "reason": Annotated[str, Values("none", "request", "error", "processing")],
    },
)


@commands.command("query-colo-status")
def query_colo_status(machine: Machine) -> ColoStatus:  # noqa: ARG001
    """Tell that there is no twin of this machine."""
    return {"mode": "none", "last-mode": "none", "reason": "none"}


@commands.command("query-sgx")
def query_sgx(
    machine: Machine,
) -> Annotated[dict[str, Any], Described("SGXInfo")]:
    """Refuse: the machine has no enclaves.

    Raises:
        GenericError: Always.
    """
    message = "No EPC regions defined, SGX not available"
    tree = machine.qom
    if tree.has_board and not tree.board.startswith(("pc-", "isapc")):
        message = "SGX is only supported on PC machines"
    raise GenericError(message)
