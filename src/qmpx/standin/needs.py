"""What a machine needs, by its command line: accelerator, memory, processors.

Looked at before anything is opened, so that what contradicts itself is told at once.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

import os

from qmpx.standin.boards import prefers_sockets, takes_modules
from qmpx.standin.failure import StartFailure
from qmpx.standin.option_lists import SWITCHES, read_size
from qmpx.standin.profile.flat import find_flat

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from qmpx.standin.command_line import Backend, CommandLine
    from qmpx.standin.option_lists import OptionList
    from qmpx.standin.profile.file import Profile

MAX_MEMORY: Final = 2**42
"""Bytes of RAM that a machine may be told to have: as much as a host may map."""

MAX_PROCESSORS: Final = 288
"""Virtual processors of a machine: the most that a machine of QEMU 7.2 has."""

MAX_SLOTS: Final = 256
"""Slots for memory modules of a machine: what QEMU's PCs have at most."""

DEFAULT_MEMORY: Final = 128 * 2**20
"""Bytes of RAM of a machine that was not told: QEMU's figure."""

QTEST: Final = "qtest"
"""The accelerator with which no guest runs: all comes from outside."""

_KVM: Final = "/dev/kvm"
_VGAS: Final = ("none", "std", "cirrus", "vmware", "qxl", "virtio")


def check_needs(line: CommandLine, profile: Profile) -> None:
    """Check what a command line says of the machine as a whole.

    Raises:
        StartFailure: There is no such machine or processor; the sizes contradict
            themselves; no accelerator can be used.
    """
    _check_machine(line, profile)
    choose_accelerator(line, profile)
    board = find_machine(profile, line.machine.get("type"))
    processor_count(line.topology, board)
    memory_size(line.memory, board["name"])
    _check_boot(line.boot)
    _check_processor(line, profile)
    _check_software(line)


def has_guest(line: CommandLine) -> bool:
    """Whether there is somebody in the machine who answers.

    Unless ``--guest`` says so: if there is something to boot from, or the machine comes
    from elsewhere with who is in it. No guest's code runs under qtest.
    """
    if QTEST in line.accelerators:
        return False
    if line.guest != "auto":
        return line.guest == "obedient"
    return (
        line.incoming is not None
        or line.load is not None
        or any(
            drive.get("file") and drive.get("if") != "pflash" for drive in line.drives
        )
        or any(map(_may_hold_system, line.backends))
        or any(option.lstrip("-") == "kernel" for option, _ in line.kept)
    )


def _may_hold_system(backend: Backend) -> bool:
    """Whether there may be something to boot from in a back end."""
    driver = str(backend.values.get("driver"))
    return backend.option == "-blockdev" and not driver.startswith("null-")


def find_machine(profile: Profile, name: str | None) -> dict[str, Any]:
    """Return what the profile tells of a machine: ``name``, ``default-cpu-type``...

    Args:
        profile: The profile.
        name: The machine's name or alias; ``None`` for the one that is the default.
    """
    text = (profile.find("query-machines") or b"[]").decode()
    members: tuple[str, ...] = ('"is-default": true',)
    if name is not None:
        members = (f'"name": "{name}"', f'"alias": "{name}"')
    for member in members:
        if (machine := find_flat(text, member)) is not None:
            return machine
    import json  # it is spelled in another way, or there is none

    told = json.loads(text)
    for machine in told:
        if name is None:
            is_it = machine.get("is-default", False)
        else:
            is_it = name in (machine["name"], machine.get("alias"))
        if is_it:
            return dict(machine)
    return {"name": name or "none"}


def _check_machine(line: CommandLine, profile: Profile) -> None:
    name = line.machine.get("type")
    machines = profile.find("query-machines")
    if name is None or machines is None:
        return
    quoted = f'"{name}"'.encode()
    if b'"name": ' + quoted not in machines and b'"alias": ' + quoted not in machines:
        message = (
            "unsupported machine type\nUse -machine help to list supported machines"
        )
        raise StartFailure(message)


_BOOT: Final = {
    **dict.fromkeys(("order", "once", "splash"), ""),
    **dict.fromkeys(("splash-time", "reboot-timeout"), "integer"),
    **dict.fromkeys(("menu", "strict"), "'on' or 'off'"),
}


_BOOT_TIMES: Final = {
    "reboot-timeout": ("reboot timeout", -1),
    "splash-time": ("splash-time", 0),
}
_MOST_TIME: Final = 0xFFFF


def _check_boot(boot: Mapping[str, Any]) -> None:
    for name, value in boot.items():
        expected = _BOOT.get(name)
        if expected is None:
            raise StartFailure(f"Parameter 'boot.{name}' is unexpected")
        fits = value in SWITCHES if "on" in expected else value.lstrip("-").isdecimal()
        if expected and not fits:
            raise StartFailure(f"Parameter 'boot.{name}' expects {expected}")
    for name, (text, least) in _BOOT_TIMES.items():
        if name in boot and not least <= int(boot[name]) <= _MOST_TIME:
            message = f"{text} is invalid,it should be a value between {least} and "
            raise StartFailure(f"{message}{_MOST_TIME}")
    for name in ("order", "once"):
        devices = boot.get(name, "")
        for place, device in enumerate(devices):
            if not "a" <= device <= "p":
                raise StartFailure(f"Invalid boot device '{device}'")
            if device in devices[:place]:
                raise StartFailure(f"Boot device '{device}' was given twice")


def _check_software(line: CommandLine) -> None:
    """Check what the machine is to show itself on, and what it is to run."""
    given = {option.lstrip("-"): text or "" for option, text in line.kept}
    if (card := given.get("vga")) is not None and card not in _VGAS:
        raise StartFailure(f"unknown vga type: {card}")
    kernel = given.get("kernel")
    if kernel is None:
        for option in ("append", "initrd"):
            if option in given:
                raise StartFailure(f"-{option} only allowed with -kernel option")
        return
    try:
        with open(kernel, "rb"):
            pass
    except OSError as error:
        failure = StartFailure(
            f"could not open kernel file '{kernel}': {error.strerror}"
        )
        failure.program = "qemu"
        raise failure from None


def _check_processor(line: CommandLine, profile: Profile) -> None:
    if line.processor is None:
        return
    model = line.processor.partition(",")[0]
    types = profile.find("qom-list-types")
    if types is not None and f'"{model}-x86_64-cpu"'.encode() not in types:
        message = f"unable to find CPU model '{model}'"
        raise StartFailure(message)


def choose_accelerator(line: CommandLine, profile: Profile) -> str:
    """Return what runs the guest's code: the first that can be used.

    Whether KVM can be used, the right to open its device tells: libvirt compares what
    it is told with just that.

    Raises:
        StartFailure: None can be used.
    """
    known = (profile.text("-accel help") or "tcg\nkvm\n").split()
    wanted = line.accelerators or ["tcg"]
    further: list[str] = []
    for name in wanted:
        if name == "kvm":
            if os.access(_KVM, os.R_OK | os.W_OK):
                return name
            further.append("failed to initialize kvm: Permission denied")
        elif name == QTEST:
            return name
        elif name in known:
            return "tcg"
        else:
            place = f"-accel {name}: " if line.accelerator_options else ""
            further.append(f"{place}invalid accelerator {name}")
    if further[0].startswith("failed"):
        failure = StartFailure("Could not access KVM kernel module: Permission denied")
        failure.further = further
        raise failure
    failure = StartFailure(further[0])
    failure.further = further[1:]
    raise failure


def memory_size(options: OptionList | None, board: str = "") -> int:
    """Return how much RAM ``-m`` asks for, in bytes.

    Args:
        options: What stands after it.
        board: The machine's name: some can have less than others.

    Raises:
        StartFailure: It contradicts itself, or what the board can have.
    """
    usual = 0 if board == "none" else DEFAULT_MEMORY
    if options is None:
        return usual
    if "maxmem" in options and not takes_modules(board):
        message = f"\"-memory 'slots|maxmem'\" is not supported by: {board}"
        raise StartFailure(message)
    size = read_size(options["size"], "M") if "size" in options else usual
    most = read_size(options["maxmem"]) if "maxmem" in options else None
    if size is None or size > MAX_MEMORY:
        message = "ram size too large"
        raise StartFailure(message)
    if most is not None and most < size:
        message = (
            f"invalid value of maxmem: maximum memory size ({most:#x}) must be at "
            f"least the initial memory size ({size:#x})"
        )
        raise StartFailure(message)
    slots = options.number("slots")
    if slots > MAX_SLOTS:
        message = f"unsupported amount of memory slots: {slots}"
        raise StartFailure(message)
    if most is None and "slots" in options:
        message = "slots specified but no max-size"
        raise StartFailure(message)
    return size or usual


_TOPOLOGY: Final = (
    "cpus",
    "maxcpus",
    "sockets",
    "dies",
    "clusters",
    "cores",
    "threads",
)


def processor_count(
    topology: Mapping[str, Any], board: Mapping[str, Any] | None = None
) -> int:
    """Return how many virtual processors ``-smp`` asks for.

    Args:
        topology: What stands after it.
        board: What the profile tells of the machine.

    Raises:
        StartFailure: It contradicts itself, or says what is no number.
    """
    board = board or {}
    name, most = board.get("name", ""), board.get("cpu-max", MAX_PROCESSORS)
    full = full_topology(topology, name)
    if full["maxcpus"] > most:
        message = (
            f"Invalid SMP CPUs {full['maxcpus']}. The max CPUs supported by machine "
            f"'{name}' is {most}"
        )
        raise StartFailure(message)
    return full["cpus"]


def full_topology(topology: Mapping[str, Any], board: str = "") -> dict[str, int]:
    """Return what ``-smp`` asks for, with what it leaves out.

    Args:
        topology: What stands after it.
        board: The machine's name: old ones leave out something else.

    Raises:
        StartFailure: It contradicts itself, or says what is no number.
    """
    numbers: dict[str, int] = {}
    for name, value in topology.items():
        if name not in _TOPOLOGY:
            raise StartFailure(f"Parameter 'smp.{name}' is unexpected")
        if not isinstance(value, str) or not value.isdecimal():
            raise StartFailure(f"Parameter 'smp.{name}' expects integer")
        numbers[name] = int(value)
    filled = fill_topology(
        numbers,
        sockets_first=prefers_sockets(board),
        names_dies=board.startswith("pc-"),
    )
    return {**filled, "clusters": 1}


def fill_topology(
    numbers: Mapping[str, int],
    *,
    sockets_first: bool = False,
    names_dies: bool = False,
) -> dict[str, int]:
    """Return a topology with what was left out worked out, as QEMU 7.2 does.

    Cores come before sockets and threads.

    Args:
        numbers: What was given.
        sockets_first: Whether sockets come before cores: in machines up to 6.1.
        names_dies: Whether messages name dies that were not given, too.

    Raises:
        StartFailure: The parts do not make the whole.
    """
    get = numbers.get
    cpus, most = get("cpus", 0), get("maxcpus", 0)
    sockets, dies = get("sockets", 0), get("dies", 0) or 1
    cores, threads = get("cores", 0), get("threads", 0)
    if not cpus and not most:
        sockets, cores, threads = sockets or 1, cores or 1, threads or 1
    else:
        most = most or cpus
        if sockets_first and not sockets:
            cores, threads = cores or 1, threads or 1
            sockets = most // (dies * cores * threads)
        elif not cores:
            sockets, threads = sockets or 1, threads or 1
            cores = most // (sockets * dies * threads)
        elif not sockets:
            threads = threads or 1
            sockets = most // (dies * cores * threads)
    threads = threads or (most // (sockets * dies * cores) if sockets * cores else 1)
    total = sockets * dies * cores * threads
    most = most or total
    cpus = cpus or most
    names_dies = names_dies or "dies" in numbers
    shown = f"sockets ({sockets})" + (f" * dies ({dies})" if names_dies else "")
    shown += f" * cores ({cores}) * threads ({threads})"
    if total != most:
        message = "product of the hierarchy must match maxcpus: "
        message = f"Invalid CPU topology: {message}{shown} != maxcpus ({most})"
        raise StartFailure(message)
    if most < cpus:
        message = "maxcpus must be equal to or greater than smp: "
        message = (
            f"Invalid CPU topology: {message}{shown} == maxcpus ({most}) < "
            f"smp_cpus ({cpus})"
        )
        raise StartFailure(message)
    return {
        "cpus": cpus,
        "maxcpus": most,
        "sockets": sockets,
        "dies": dies,
        "cores": cores,
        "threads": threads,
    }
