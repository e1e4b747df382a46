"""What there is to know of the machine beyond its devices, and small knobs.

Source: QEMU 7.2.22, observed.
"""

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Struct

from qmpx.dialects.modern.events import slot_info
from qmpx.dialects.modern.replies import AcpiOstInfo
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Values

commands = CommandRegistry(reads_late=True)

CurrentMachineParams = TypedDict(
    "CurrentMachineParams", {"wakeup-suspend-support": bool}
)


@commands.command("query-current-machine")
def query_current_machine(machine: Machine) -> CurrentMachineParams:
    """Tell whether a sleeping guest can be woken."""
    return {"wakeup-suspend-support": machine.can_sleep}


@commands.command("query-acpi-ospm-status")
def query_acpi_ospm_status(machine: Machine) -> list[AcpiOstInfo]:
    """Tell what the guest has said of slots for memory; no guest code says anything.

    Raises:
        GenericError: The board has no ACPI.
    """
    if not machine.has_acpi:
        message = "command is not supported, missing ACPI device"
        raise GenericError(message)
    tree = machine.qom
    plugged = {
        device.object.values.get("slot"): device.id
        for device in tree.devices
        if device.object.isa("pc-dimm")
    }
    return [
        slot_info(slot, plugged.get(slot), tree.said_of_slots.get(slot, (0, 0)))
        for slot in range(tree.memory_slots)
    ]


@commands.command("query-vm-generation-id")
def query_vm_generation_id(machine: Machine) -> dict[str, str]:
    """Tell the id of this life of the machine, as its device has it.

    Raises:
        GenericError: There is no such device.
    """
    for device in getattr(vars(machine).get("qom"), "devices", ()):
        if device.object.type == "vmgenid":
            return {"guid": str(device.values.get("guid", ""))}
    message = "VM Generation ID device not found"
    raise GenericError(message)


class TpmInfo(TypedDict):
    """A TPM; there is none."""

    id: str


@commands.command("query-tpm")
def query_tpm(machine: Machine) -> list[TpmInfo]:  # noqa: ARG001
    """Tell of the TPMs: there are none."""
    return []


@commands.command("query-tpm-models")
def query_tpm_models(
    machine: Machine,  # noqa: ARG001
) -> list[Annotated[str, Values("tpm-tis", "tpm-crb", "tpm-spapr")]]:
    """Tell which models of TPMs there are: none can be had here."""
    return []


@commands.command("query-tpm-types")
def query_tpm_types(
    machine: Machine,  # noqa: ARG001
) -> list[Annotated[str, Values("passthrough", "emulator")]]:
    """Tell which back ends of TPMs there are: none can be had here."""
    return []


class PRManagerInfo(TypedDict):
    """A manager of persistent reservations; there is none."""

    id: str
    connected: bool


@commands.command("query-pr-managers")
def query_pr_managers(machine: Machine) -> list[PRManagerInfo]:  # noqa: ARG001
    """Tell of the managers of persistent reservations: there are none."""
    return []


@commands.command("rtc-reset-reinjection")
def rtc_reset_reinjection(machine: Machine) -> None:
    """Forget clock interrupts that the guest has missed: it misses none."""


class ReplayInfo(TypedDict):
    """Whether an execution is recorded or replayed."""

    mode: Annotated[str, Values("none", "record", "play")]
    filename: NotRequired[str]
    icount: int


@commands.command("query-replay")
def query_replay(machine: Machine) -> ReplayInfo:  # noqa: ARG001
    """Tell that nothing is recorded or replayed."""
    return {"mode": "none", "icount": 0}


# Statistics.

Provider = Annotated[str, Values("kvm")]
Target = Annotated[str, Values("vm", "vcpu")]


class StatsRequest(Struct, forbid_unknown_fields=True):
    """Which figures of a provider are wanted."""

    provider: Provider
    names: list[str] | None = None


class StatsResult(TypedDict):
    """Figures; there are none without KVM."""

    provider: Provider


@commands.command("query-stats")
def query_stats(
    machine: Machine,  # noqa: ARG001
    *,
    target: Target,
    vcpus: list[str] | None = None,
    providers: list[StatsRequest] | None = None,  # noqa: ARG001
) -> list[StatsResult]:
    """Tell KVM's figures: there are none.

    Raises:
        GenericError: Processors are named, and it is not theirs that are wanted.
    """
    if vcpus is not None and target != "vcpu":
        message = "Parameter 'vcpus' is unexpected"
        raise GenericError(message)
    return []


@commands.command("query-stats-schemas")
def query_stats_schemas(
    machine: Machine,  # noqa: ARG001
    *,
    provider: Provider | None = None,  # noqa: ARG001
) -> list[StatsResult]:
    """Tell which figures there are: none."""
    return []


# How fast memory is written.

Mode = Annotated[str, Values("page-sampling", "dirty-ring", "dirty-bitmap")]

DirtyRateInfo = TypedDict(
    "DirtyRateInfo",
    {
        "dirty-rate": NotRequired[int],
        "status": Annotated[str, Values("unstarted", "measuring", "measured")],
        "start-time": int,
        "calc-time": int,
        "sample-pages": int,
        "mode": Literal["page-sampling"],
    },
)


@commands.command("calc-dirty-rate")
def calc_dirty_rate(
    machine: Machine,
    *,
    calc_time: int,
    sample_pages: int | None = None,
    mode: Mode | None = None,
) -> None:
    """Begin to measure how fast the guest writes its memory.

    Raises:
        GenericError: A figure is out of its range, a measurement is under way, or
            another way is wanted than looking at pages.
    """
    machine.dirty_rate.check(calc_time, sample_pages)
    if mode not in (None, "page-sampling"):
        message = f"mode {mode} is not enabled, use other method instead."
        raise GenericError(message)
    machine.dirty_rate.start(calc_time, sample_pages)


@commands.command("query-dirty-rate")
def query_dirty_rate(machine: Machine) -> DirtyRateInfo:
    """Tell what was measured, if that is over."""
    measured = machine.dirty_rate
    told: DirtyRateInfo = {
        "status": measured.status,
        "start-time": measured.started,
        "calc-time": measured.seconds,
        "sample-pages": measured.sample_pages,
        "mode": "page-sampling",
    }
    if measured.rate is not None:
        told["dirty-rate"] = measured.rate
    return told


DirtyLimitInfo = TypedDict(
    "DirtyLimitInfo", {"cpu-index": int, "limit-rate": int, "current-rate": int}
)


@commands.command("query-vcpu-dirty-limit")
def query_vcpu_dirty_limit(machine: Machine) -> list[DirtyLimitInfo]:  # noqa: ARG001
    """Tell the limits of how fast processors may write memory: there are none."""
    return []
