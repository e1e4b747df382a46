"""The list of commands, beside the modules that have them."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pkgutil import walk_packages

import pytest

from qmpx.dialects import modern
from qmpx.dialects.modern.commands import MODULES, all_commands
from qmpx.monitor import CommandRegistry

PREFIX = f"{modern.__name__}."
ALL = [
    module.name.removeprefix(PREFIX)
    for module in walk_packages(modern.__path__, PREFIX)
]


def registry_of(module: str) -> CommandRegistry | None:
    found = getattr(import_module(f"{modern.__name__}.{module}"), "commands", None)
    return found if isinstance(found, CommandRegistry) else None


@pytest.mark.parametrize("module", ALL)
def test_each_module_is_listed_with_its_commands(module: str) -> None:
    registry = registry_of(module)
    names = [] if registry is None else list(registry)
    assert sorted(MODULES.get(module, "").split()) == sorted(names)


def test_no_other_modules_are_listed() -> None:
    assert MODULES.keys() <= set(ALL)


@pytest.mark.parametrize("module", MODULES)
def test_each_signature_is_a_schema(module: str) -> None:
    registry = registry_of(module)
    assert registry is not None
    registry.read_signatures()


def test_all_commands_are_found() -> None:
    commands = all_commands()
    commands.read_signatures()
    assert list(commands) == " ".join(MODULES.values()).split()


def test_a_monitor_knows_the_names_without_the_modules() -> None:
    modules = [f"{modern.__name__}.{name}" for name in MODULES]
    program = f"""
import sys
from qmpx.dialects.modern import modern_monitor
from qmpx.machine import Machine
monitor = modern_monitor(Machine())
print(len(monitor.commands), sorted({set(modules)!r} & sys.modules.keys()))
monitor.commands["stop"].signature
print(sorted({set(modules)!r} & sys.modules.keys()))
"""
    told = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    count = len(all_commands()) + 3  # and those that every monitor has
    assert told.stdout == f"{count} []\n['qmpx.dialects.modern.status']\n"
