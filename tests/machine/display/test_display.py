"""The display as a whole, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.machine import Machine, VirtualClock
from qmpx.machine.display.pictures import png, ppm
from qmpx.machine.hardware.keyboard import DATA
from tests.loops import run_on
from tests.machine.display.rfb_client import view
from tests.machine.display.room import ALL, LOCAL, Room

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def machine() -> Machine:
    return Machine("vmname", clock=VirtualClock())


def test_a_machine_has_no_display_until_somebody_asks_for_it(machine: Machine) -> None:
    machine.cont()
    machine.reset(reason="host-qmp-system-reset")
    assert "display" not in vars(machine)
    assert machine.display is machine.display
    assert "display" in vars(machine)


def test_a_machine_that_is_not_looked_at_does_not_even_import_it() -> None:
    program = (
        "import sys; from qmpx.machine import Machine; Machine().cont();"
        "sys.exit('qmpx.machine.display' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(("image_format", "picture"), [("ppm", ppm), ("png", png)])
def test_a_dump_is_what_is_to_be_seen_now(
    machine: Machine, tmp_path: Path, image_format: str, picture: object
) -> None:
    assert callable(picture)
    file, display = tmp_path / "screen", machine.display
    seen = set()
    changes: list[Callable[[], object]] = [
        lambda: None,
        machine.cont,
        lambda: display.send_keys("a"),
    ]
    for change in changes:
        change()
        display.dump(str(file), image_format)
        assert file.read_bytes() == picture(display.screen)
        seen.add(file.read_bytes())
    assert len(seen) == 3


def test_what_is_sent_is_typed_and_comes_to_the_guest(machine: Machine) -> None:
    machine.display.send_keys("shift-q")
    assert list(machine.display.console.typed) == ["Q"]
    assert machine.display.keyboard.held_names == ["shift", "q"]
    assert [machine.ports.read(DATA, 1) for _ in range(2)] == [0x2A, 0x10]
    assert isinstance(machine.clock, VirtualClock)
    machine.clock.advance(0.1)
    assert [machine.ports.read(DATA, 1) for _ in range(2)] == [0xAA, 0x90]


def test_of_keys_of_which_one_is_unknown_none_is_pressed(machine: Machine) -> None:
    with pytest.raises(GenericError):
        machine.display.send_keys("a-foo")
    assert list(machine.display.console.typed) == [""]


def test_the_pointer_can_be_moved_and_pressed(machine: Machine) -> None:
    pointers = machine.display.pointers
    pointers.choose(pointers.add("QEMU USB Tablet", is_absolute=True).index)
    machine.display.move_pointer(100, 200, -1)
    machine.display.hold_buttons(3)
    assert pointers.state() == {"x": 100, "y": 200, "wheel": -1, "buttons": 3}


def test_the_state_moves_to_another_machine(machine: Machine) -> None:
    display, other = machine.display, Machine(clock=VirtualClock()).display
    display.resize(80, 30)
    display.send_keys("caps_lock-a")
    display.move_pointer(10, 10)
    state = display.state()
    other.restore(state)
    assert other.state() == state
    assert other.keyboard.held_names == []


def test_two_displays_of_equal_machines_are_the_same_pixel_by_pixel() -> None:
    def picture() -> bytes:
        machine = Machine("twin", clock=VirtualClock())
        machine.cont()
        machine.display.send_keys("ctrl-a")
        machine.display.draw()
        return ppm(machine.display.screen)

    assert picture() == picture()


def test_who_looks_sees_what_others_do_at_once() -> None:
    async def main() -> None:
        here = Room()
        await here.display.start_vnc(f"{LOCAL}:0,to=99")
        viewer = await view(LOCAL, here.port)
        await viewer.shake_hands()
        viewer.ask(incremental=False)
        assert await viewer.update() == ALL
        changes: list[Callable[[], object]] = [
            lambda: here.display.send_keys("x"),
            lambda: here.display.move_pointer(50, 50),
            lambda: here.display.hold_buttons(1),
            lambda: here.display.restore(here.display.state()),
            lambda: here.machine.reset(reason="host-qmp-system-reset"),
        ]
        for change in changes:
            viewer.ask()
            await here.until(lambda: here.vnc.viewers[0].session.updates.is_awaited)
            change()
            assert await viewer.update()
        await viewer.close()
        here.display.close()

    run_on("asyncio", main())
