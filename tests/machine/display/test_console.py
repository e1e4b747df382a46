"""What the screen shows."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.display.key_names import KEYS

if TYPE_CHECKING:
    from qmpx.machine.display import Display


def machine(name: str | None = "vmname", processors: int = 1) -> Machine:
    """Return a machine whose time stands still."""
    id_ = uuid.UUID("550e8400-e29b-41d4-a716-446655440000")
    return Machine(
        name,
        uuid=id_,
        clock=VirtualClock(),
        memory_size=256 << 20,
        processor_count=processors,
    )


def shown(display: Display) -> list[str]:
    """Return the rows of the screen, without what is blank at their ends."""
    display.draw()
    return [
        "".join(cell.character for cell in row).rstrip() for row in display.screen.lines
    ]


def test_the_screen_tells_which_machine_this_is_and_how_it_is() -> None:
    rows = shown(machine(processors=2).display)
    assert rows == [
        f" vmname{'':59}2010-08-09 00:00:00 UTC",
        "",
        "  state         prelaunch",
        "  machine       2 processors, 256 MiB",
        "  uuid          550e8400-e29b-41d4-a716-446655440000",
        "  vnc           off",
        *[""] * 3,
        "  > \x7f",
        *[""] * 14,
        f" keys -{'':67}pointer 360,200",
    ]


def test_the_screen_follows_the_machine() -> None:
    vm = machine()
    vm.cont()
    assert shown(vm.display)[2] == "  state         running"
    vm.stop()
    assert isinstance(vm.clock, VirtualClock)
    vm.clock.advance(61)
    rows = shown(vm.display)
    assert rows[2] == "  state         paused"
    assert rows[0].endswith(" 2010-08-09 00:01:01 UTC")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        (None, " a machine without a name"),
        ("x" * 200, " " + "x" * 61 + "... 2010-08-09 00:00:00 UTC"),
        ("Größe", " Größe"),
    ],
)
def test_a_name_has_as_much_room_as_there_is(name: str | None, title: str) -> None:
    assert shown(machine(name).display)[0].startswith(title)


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("hello", ["  > hello\x7f"]),
        ("one\ntwo", ["  > one", "  > two\x7f"]),
        ("helo\b\blo", ["  > hello\x7f"[:6] + "lo\x7f"]),
        ("\b\b\ba", ["  > a\x7f"]),
        ("a\tb", ["  > a       b\x7f"]),
        ("x" * 100, ["  > " + "x" * 84, "  > " + "x" * 16 + "\x7f"]),
        ("\n" * 20 + "end", [*["  >"] * 14, "  > end\x7f"]),
    ],
)
def test_what_is_typed_is_seen(typed: str, rows: list[str]) -> None:
    display = machine().display
    display.console.type(typed)
    seen = shown(display)[9:24]
    assert seen == [*rows, *[""] * (15 - len(rows))]


def test_what_is_held_and_pointed_at_is_seen() -> None:
    display = machine().display
    for name in ("ctrl", "alt", "caps_lock"):
        display.keyboard.press(KEYS[name])
    display.keyboard.press(0xFE)
    display.pointers.point(0x7FFF, 0)
    display.pointers.hold(5)
    row = shown(display)[24]
    assert row.split() == [
        *("keys", "ctrl", "alt", "caps_lock", "0xfe", "CAPS"),
        *("pointer", "719,0", "left", "right"),
    ]


def test_a_full_status_line_is_cut_and_not_folded() -> None:
    display = machine().display
    for code in range(1, 0x60):
        display.keyboard.press(code)
    rows = shown(display)
    assert len(rows) == 25
    assert len(rows[24]) <= 90
    assert rows[24].endswith(" pointer 360,200")


@pytest.mark.parametrize(("columns", "rows"), [(80, 30), (20, 4), (1, 2), (240, 75)])
def test_there_is_something_on_a_screen_of_any_size(columns: int, rows: int) -> None:
    display = machine().display
    display.resize(columns, rows)
    display.console.type("hello " * 100)
    seen = shown(display)
    assert len(seen) == rows
    assert all(len(row) == columns for row in display.screen.lines)
    assert any(seen)


def test_a_reset_clears_what_was_typed() -> None:
    vm = machine()
    vm.display.console.type("hello\nworld")
    vm.reset(reason="host-qmp-system-reset")
    assert shown(vm.display)[9:11] == ["  > \x7f", ""]


def test_what_was_typed_moves_with_the_machine() -> None:
    display, other = machine().display, machine().display
    display.console.type("hello\nworld")
    display.resize(80, 30)
    other.restore(display.state())
    assert shown(other) == shown(display)
    assert other.state() == display.state()
