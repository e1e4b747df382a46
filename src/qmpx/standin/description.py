"""Telling a machine what machine it is: its board, processors, memory and nodes.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from qmpx.dialects.modern.profile.answers import ProfileAnswers
from qmpx.errors import CommandError
from qmpx.machine import Machine
from qmpx.machine.runstate import PanicAction
from qmpx.standin.boards import (
    WITHOUT_PROCESSORS,
    can_sleep,
    has_acpi,
    has_keyboard_controller,
    makes_node,
    takes_sizes,
)
from qmpx.standin.command_line import CommandLine
from qmpx.standin.machine_options import read_machine_options
from qmpx.standin.needs import full_topology
from qmpx.standin.option_lists import read_size

_NOT_FEATURES: Final = frozenset(
    {
        *("realized", "node-id", "apic-id", "socket-id", "die-id", "core-id"),
        *("thread-id", "phys-bits", "ucode-rev", "hv-vendor-id"),
    }
)  # what an expansion tells of a processor that is nowhere
_ALWAYS: Final = frozenset(
    {
        *("migratable", "lmce", "pmu", "check", "enforce", "kvm", "l3-cache"),
        *("host-cache-info", "host-phys-bits", "legacy-cache", "cpuid-0xb"),
        *("full-cpuid-auto-level", "fill-mtrr-mask", "tcg-cpuid", "hotplugged"),
        *("vmware-cpuid-freq", "start-powered-off", "kvm-no-smi-migration"),
    }
)  # no features of CPUID
_EMULATED: Final = ("hv-", "x-")
_OTHER_NAMES: Final = {
    "sse3": "pni",
    "pclmuldq": "pclmulqdq",
    "sse4-1": "sse4.1",
    "sse4-2": "sse4.2",
    "xd": "nx",
    "ffxsr": "fxsr-opt",
    "i64": "lm",
}


def describe_actions(machine: Machine, actions: Mapping[str, str]) -> None:
    """Tell a machine what is to be done when its guest resets, ends or panics.

    Args:
        machine: The machine.
        actions: What ``-action``, ``-no-reboot`` and ``-no-shutdown`` say.
    """
    machine.restarts = actions.get("reboot", "reset") == "reset"
    machine.ends = actions.get("shutdown", "poweroff") == "poweroff"
    machine.panic_action = PanicAction(actions.get("panic", "shutdown"))


def describe_board(
    machine: Machine,
    line: CommandLine,
    board: Mapping[str, Any],
    answers: ProfileAnswers,
) -> None:
    """Tell a machine's tree of objects what machine it is.

    Args:
        machine: The machine; it knows the types of its objects already.
        line: What it is to be.
        board: What the profile tells of its board.
        answers: What the profile tells of processors.

    Raises:
        StartFailure: A property of the machine is none, or has no such value.
    """
    tree, name = machine.qom, board["name"]
    machine.is_bare = name in WITHOUT_PROCESSORS
    machine.has_own_screen = False
    tree.is_bare = line.is_preconfig
    tree.become(
        name,
        line.machine.get("memory-backend"),
        is_ram_told=line.memory is not None,
    )
    for driver, prop, text in line.globals:
        tree.globals.add(driver, prop, text)
    tree.options = read_machine_options(machine, line)
    machine.has_acpi = has_acpi(name, tree.options)
    machine.can_sleep = can_sleep(name, tree.options)
    machine.has_ps2 = has_keyboard_controller(name, tree.options)
    tree.processors.topology.update(full_topology(line.topology, name))
    tree.processors.is_empty = name in WITHOUT_PROCESSORS and line.processor is None
    numa = machine.numa
    numa.has_details = tree.options.get("hmat", False)
    numa.takes_sizes = takes_sizes(name)
    numa.makes_one = makes_node(name)
    numa.is_complete = False
    if line.processor is not None:
        model = line.processor.partition(",")[0]
        tree.processors.type = f"{model}-x86_64-cpu"
    elif "default-cpu-type" in board:
        tree.processors.type = board["default-cpu-type"]
    tree.processors.features = lambda: _features(machine, line, answers)
    if line.memory is not None:
        tree.memory_slots = int(line.memory.get("slots", "0"))
        tree.maximum_memory = read_size(line.memory.get("maxmem", "0")) or 0


def _features(
    machine: Machine, line: CommandLine, answers: ProfileAnswers
) -> dict[str, Any]:
    """Return what the processors can do, as far as the profile tells."""
    kind = machine.qom.processors.type
    name = kind.removesuffix("-x86_64-cpu")
    _, _, chosen = (line.processor or "").partition(",")
    arguments = {"type": "full", "model": {"name": name}}
    try:
        told = answers.expand(arguments)
    except CommandError:
        return {}
    features: dict[str, Any] = dict(msgspec.json.decode(told)["model"]["props"])
    for own in _NOT_FEATURES & features.keys():
        del features[own]
    for part in chosen.split(",") if chosen else ():
        feature, equals, value = part.partition("=")
        if part[:1] in ("+", "-"):
            features |= _all_names(features, part[1:], has_it=part[0] == "+")
        elif not equals or value in ("on", "off"):
            features |= _all_names(features, feature, has_it=value != "off")
    return _without_unavailable(features, answers)


def _all_names(known: Iterable[str], name: str, *, has_it: bool) -> dict[str, bool]:
    """Return a feature that was chosen, under each of the names that it has."""
    wanted = _first_name(name)
    names = {each for each in known if _first_name(each) == wanted} | {name}
    return dict.fromkeys(names, has_it)


def _needs_host(name: str) -> bool:
    return name not in _ALWAYS and not name.startswith(_EMULATED)


def _first_name(name: str) -> str:
    plain = name.replace("_", "-")
    return _OTHER_NAMES.get(plain, plain)


def _without_unavailable(
    features: dict[str, Any], answers: ProfileAnswers
) -> dict[str, Any]:
    """Return features without those that the accelerator lacks, and name these."""
    arguments = {"type": "full", "model": {"name": "max"}}
    try:
        told = answers.expand(arguments)
    except CommandError:
        return features
    most = msgspec.json.decode(told)["model"]["props"]
    lacking = sorted(
        name
        for name, value in features.items()
        if value is True and most.get(name) is False and _needs_host(name)
    )
    return {
        **features,
        **dict.fromkeys(lacking, False),
        "unavailable-features": [x for x in lacking if x == _first_name(x)],
    }
