"""Run state, identity, power, and what QMP answers with a word or two.

Source: QEMU 7.2.22, observed.
"""

from typing import Any

from qmpx.dialects.modern.human.declaring import HumanTable, ask
from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.monitor.registry import SessionLike

commands = HumanTable()


def _passes(name: str, command: str) -> None:
    """Let a line without arguments be a command of QMP."""

    async def carry_out(session: SessionLike) -> None:
        await ask(session, command)

    carry_out.__doc__ = f"Do what QMP's {command} does."
    commands.does(name)(carry_out)


_passes("stop|s", "stop")
_passes("cont|c", "cont")
_passes("exit_preconfig", "x-exit-preconfig")
_passes("system_reset", "system_reset")
_passes("system_powerdown", "system_powerdown")
_passes("system_wakeup", "system_wakeup")
_passes("x_colo_lost_heartbeat", "x-colo-lost-heartbeat")
_passes("nmi", "inject-nmi")


def _readable(item: str, command: str) -> None:
    """Let an item show what a command of QMP has for people to read."""

    async def show(session: SessionLike) -> str:
        return str((await ask(session, command))["human-readable-text"])

    show.__doc__ = f"Return what QMP's {command} has for people."
    commands.shows(item)(show)


for _item in ("irq", "jit", "numa", "opcount", "profile", "ramblock", "rdma", "roms"):
    _readable(_item, f"x-query-{_item}")
_readable("usb", "x-query-usb")


@commands.shows("version")
async def info_version(session: SessionLike) -> str:
    """Return the version, and the package's behind it."""
    version = await ask(session, "query-version")
    parts = version["qemu"]
    numbers = ".".join(str(parts[name]) for name in ("major", "minor", "micro"))
    return f"{numbers}{version['package']}\n"


@commands.shows("status")
async def info_status(session: SessionLike) -> str:
    """Return whether it runs, and if not, why."""
    status = await ask(session, "query-status")
    text = "running" if status["running"] else "paused"
    if status.get("singlestep"):
        text += " (single step mode)"
    if not status["running"] and status["status"] != "paused":
        text += f" ({status['status']})"
    return f"VM status: {text}\n"


@commands.shows("name")
async def info_name(session: SessionLike) -> str:
    """Return the machine's name."""
    answer = await ask(session, "query-name")
    return f"{answer['name']}\n" if "name" in answer else ""


@commands.shows("uuid")
async def info_uuid(session: SessionLike) -> str:
    """Return the machine's UUID."""
    return f"{(await ask(session, 'query-uuid'))['UUID']}\n"


@commands.shows("kvm")
async def info_kvm(session: SessionLike) -> str:
    """Return whether KVM is used."""
    kvm = await ask(session, "query-kvm")
    if not kvm["present"]:
        return "kvm support: not compiled\n"
    return f"kvm support: {'enabled' if kvm['enabled'] else 'disabled'}\n"


@commands.shows("balloon")
async def info_balloon(session: SessionLike) -> str:
    """Return how much memory the guest has."""
    actual: int = (await ask(session, "query-balloon"))["actual"]
    return f"balloon: actual={actual >> 20}\n"


@commands.does("balloon")
async def balloon(session: SessionLike, *, value: int) -> None:
    """Ask the guest to come to a size."""
    await ask(session, "balloon", value=value)


@commands.does("watchdog_action")
async def watchdog_action(session: SessionLike, *, action: str) -> None:
    """Choose what an expired watchdog does."""
    try:
        await ask(session, "watchdog-set-action", action=action)
    except CommandError as error:
        raise _bad_value(error, action) from None


def _bad_value(error: CommandError, value: str) -> CommandError:
    """Return what people are told of a value that QMP's schema does not have."""
    if "does not accept value" not in error.desc:
        return error
    return GenericError(f"invalid parameter value: {value}")


@commands.does("singlestep")
def singlestep(machine: Machine, *, option: str | None = None) -> str | None:
    """Translate one instruction at a time, or as usual."""
    if option not in (None, "on", "off"):
        return f"unexpected option {option}\n"
    machine.is_single_stepping = option != "off"
    return None


@commands.shows("dump")
async def info_dump(session: SessionLike) -> str:
    """Return how far the dump of memory is."""
    dump = await ask(session, "query-dump")
    text = f"Status: {dump['status']}\n"
    if dump["status"] == "active":
        share = 100.0 * dump["completed"] / dump["total"] if dump["total"] else 0.0
        text += f"Finished: {share:.2f} %\n"
    return text


@commands.shows("replay")
async def info_replay(session: SessionLike) -> str:
    """Return whether a run is recorded or replayed."""
    replay = await ask(session, "query-replay")
    if replay["mode"] == "none":
        return "Record/replay is not active\n"
    what = "Recording" if replay["mode"] == "record" else "Replaying"
    where = replay.get("filename", "")
    return f"{what} execution '{where}': instruction count = {replay['icount']}\n"


async def _replay(session: SessionLike, command: str, **arguments: int) -> str | None:
    try:
        await ask(session, command, **arguments)
    except CommandError as error:
        return f"{error.desc}\n"  # 7.2 reports these without saying that it is an error
    return None


@commands.does("replay_break")
async def replay_break(session: SessionLike, *, icount: int) -> str | None:
    """Stop a replay at an instruction."""
    return await _replay(session, "replay-break", icount=icount)


@commands.does("replay_delete_break")
async def replay_delete_break(session: SessionLike) -> str | None:
    """Stop a replay nowhere."""
    return await _replay(session, "replay-delete-break")


@commands.does("replay_seek")
async def replay_seek(session: SessionLike, *, icount: int) -> str | None:
    """Replay up to an instruction."""
    return await _replay(session, "replay-seek", icount=icount)


@commands.does("dumpdtb")
async def dumpdtb(session: SessionLike, *, filename: str) -> None:
    """Write the device tree blob to a file."""
    await ask(session, "dumpdtb", filename=filename)


@commands.shows("sev")
async def info_sev(session: SessionLike) -> str:
    """Return whether the guest's memory is encrypted."""
    sev: dict[str, Any] = await ask(session, "query-sev")
    if not sev["enabled"]:
        return "SEV is not enabled\n"
    return (
        f"handle: {sev['handle']}\nstate: {sev['state']}\n"
        f"build: {sev['build-id']}\n"
        f"api version: {sev['api-major']}.{sev['api-minor']}\n"
    )


@commands.shows("sgx")
async def info_sgx(session: SessionLike) -> str:
    """Return what enclaves have of the memory."""
    try:
        sgx = await ask(session, "query-sgx")
    except CommandError as error:
        return f"{error.desc}\n"
    lines = [
        f"SGX support: {'enabled' if sgx['sgx'] else 'disabled'}",
        *(f"SGX{n} support: {sgx[f'sgx{n}']}" for n in (1, 2)),
        f"FLC support: {sgx['flc']}",
    ]
    return "".join(f"{line}\n" for line in lines)


@commands.shows("vm-generation-id")
async def info_vm_generation_id(session: SessionLike) -> str:
    """Return the number that changes with each copy."""
    return f"{(await ask(session, 'query-vm-generation-id'))['guid']}\n"


@commands.shows("spice")
async def info_spice(session: SessionLike) -> str:
    """Return that there is no SPICE server."""
    spice = await ask(session, "query-spice")
    return "Server: disabled\n" if not spice["enabled"] else "Server:\n"


@commands.shows("usbhost")
def info_usbhost(machine: Machine) -> str:  # noqa: ARG001
    """Return the USB devices of the host: none is passed through."""
    return ""


@commands.shows("tpm")
async def info_tpm(session: SessionLike) -> str:
    """Return the TPM devices."""
    found = await ask(session, "query-tpm")
    if not found:
        return ""
    lines = ["TPM device:"]
    for number, tpm in enumerate(found):
        options = tpm["options"]
        lines.append(f" tpm{number}: model={tpm['model']}")
        shown = "".join(f",{k}={v}" for k, v in options["data"].items())
        lines.append(f"  \\ {tpm['id']}: type={options['type']}{shown}")
    return "".join(f"{line}\n" for line in lines)
