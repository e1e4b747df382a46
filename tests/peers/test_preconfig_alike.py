"""A machine that is only described so far, beside a real QEMU's."""

from __future__ import annotations

from typing import Any

import pytest

import qmpx
from qmpx.errors import CommandError
from tests.programs import BIN

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

STANDIN = str(BIN / "qmpx-system-x86_64")


def children(vm: qmpx.Client, path: str) -> Any:
    """Return what is in an object, by name."""
    try:
        items = vm.execute("qom-list", path=path)
    except CommandError as error:
        return error.desc
    return {x["name"]: x["type"] for x in items if x["type"].startswith("child<")}


def told(program: str, machine: str) -> list[Any]:
    """Return what a program shows before and after its machine is made."""
    words = [program, "--preconfig", "-M", machine, "-display", "none", "-accel", "tcg"]
    with qmpx.launch([*words, "-object", "memory-backend-ram,id=ram,size=1M"]) as run:
        paths = ("/", "/machine", "/machine/unattached", "/objects")
        before = [children(run.vm, path) for path in paths]
        run.vm.execute("x-exit-preconfig")
        after = [len(children(run.vm, path)) for path in paths]
        return [before, after, run.vm.execute("query-status")["status"]]


@pytest.mark.parametrize("machine", ["pc", "q35", "none"])
def test_the_board_comes_with_the_end_of_the_description(machine: str) -> None:
    assert told(STANDIN, machine) == told("qemu-system-x86_64", machine)
