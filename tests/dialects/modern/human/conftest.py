"""A PC of QEMU 7.2 at a human monitor, without a program around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.dialects.modern.profile.types import use_types
from qmpx.machine import Machine
from qmpx.standin.profile.file import shipped_profile
from tests.dialects.conftest import boxed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def pc() -> Machine:
    """Return a machine with two processors and a drive that has a tray."""
    made = Machine("box", processor_count=2)
    use_types(made, shipped_profile())
    made.qom.become("pc-i440fx-7.2")
    made.drives.add("cd0", id="cd0", removable=True, has_tray=True)
    return made


@pytest.fixture
def say(pc: Machine) -> Iterator[Callable[[str], str]]:
    """Return what types a line and returns what a person reads of it."""
    with boxed(pc) as box:

        def type_(line: str) -> str:
            text: str = box.run("human-monitor-command", command_line=line)
            assert text.count("\n") == text.count("\r\n")
            return text.replace("\r\n", "\n")

        yield type_
