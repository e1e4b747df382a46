"""The pointing devices."""

from __future__ import annotations

import pytest

from qmpx.errors import GenericError
from qmpx.machine.display.pointers import FULL_SCALE, MAX_WHEEL, Mouse, Pointers

PS2 = Mouse(0, "QEMU PS/2 Mouse", is_absolute=False)
TABLET = Mouse(1, "QEMU USB Tablet", is_absolute=True)


@pytest.fixture
def pointers() -> Pointers:
    return Pointers()


@pytest.fixture
def with_tablet(pointers: Pointers) -> Pointers:
    pointers.add("QEMU USB Tablet", is_absolute=True)
    return pointers


def test_every_machine_has_a_mouse(pointers: Pointers) -> None:
    assert pointers.mice == [PS2]
    assert pointers.current == PS2


def test_what_is_plugged_in_is_not_chosen(with_tablet: Pointers) -> None:
    assert with_tablet.mice == [PS2, TABLET]
    assert with_tablet.current == PS2


def test_what_is_chosen_comes_first(with_tablet: Pointers) -> None:
    with_tablet.choose(1)
    assert with_tablet.mice == [TABLET, PS2]
    assert with_tablet.current == TABLET
    with_tablet.choose(0)
    assert with_tablet.mice == [PS2, TABLET]


@pytest.mark.parametrize("index", [-1, 2, 99])
def test_only_what_is_there_can_be_chosen(with_tablet: Pointers, index: int) -> None:
    with pytest.raises(GenericError) as caught:
        with_tablet.choose(index)
    assert caught.value.desc == "Mouse at given index not found"
    assert with_tablet.current == PS2


def test_without_a_device_none_can_be_chosen_and_nothing_moves(
    pointers: Pointers,
) -> None:
    pointers.remove(PS2)
    pointers.remove(PS2)
    with pytest.raises(GenericError) as caught:
        pointers.choose(0)
    assert caught.value.desc == "No mouse devices connected"
    before = (pointers.x, pointers.y)
    pointers.move(5, 5, 5)
    assert pointers.current is None
    assert (pointers.x, pointers.y, pointers.wheel) == (*before, 0)


def test_a_number_is_never_given_twice(with_tablet: Pointers) -> None:
    with_tablet.remove(TABLET)
    assert with_tablet.add("QEMU USB Mouse", is_absolute=False).index == 2


def test_when_the_chosen_one_goes_the_next_has_its_place(with_tablet: Pointers) -> None:
    with_tablet.remove(PS2)
    assert with_tablet.current == TABLET


@pytest.mark.parametrize(
    ("moves", "place"),
    [
        ([(10, 5)], (16384 + 511, 16384 + 255)),
        ([(-10, -5), (10, 5)], (16384 - 512 + 511, 16384 - 256 + 255)),
        ([(100_000, -100_000)], (FULL_SCALE, 0)),
        ([(10**300, -(10**300))], (FULL_SCALE, 0)),
    ],
)
def test_a_mouse_moves_from_where_it_is(
    pointers: Pointers, moves: list[tuple[int, int]], place: tuple[int, int]
) -> None:
    for move in moves:
        pointers.move(*move)
    assert (pointers.x, pointers.y) == place


@pytest.mark.parametrize(
    ("move", "place"),
    [
        ((0, 0), (0, 0)),
        ((FULL_SCALE, FULL_SCALE), (FULL_SCALE, FULL_SCALE)),
        ((100, 200), (100, 200)),
        ((-1, 99_999), (0, FULL_SCALE)),
    ],
)
def test_a_tablet_tells_the_place(
    with_tablet: Pointers, move: tuple[int, int], place: tuple[int, int]
) -> None:
    with_tablet.choose(1)
    with_tablet.move(*move)
    assert (with_tablet.x, with_tablet.y) == place


def test_the_wheel_counts_both_ways_but_not_for_ever(pointers: Pointers) -> None:
    pointers.move(0, 0, 3)
    pointers.move(0, 0, -5)
    assert pointers.wheel == -2
    pointers.turn(-(10**9))
    assert pointers.wheel == -MAX_WHEEL
    pointers.turn(10**9)
    assert pointers.wheel == MAX_WHEEL


@pytest.mark.parametrize(
    ("held", "buttons"), [(0, 0), (5, 5), (0x1FF, 0xFF), (-1, 0xFF)]
)
def test_buttons_are_bits(pointers: Pointers, held: int, buttons: int) -> None:
    pointers.hold(held)
    assert pointers.buttons == buttons


def test_the_place_moves_with_the_machine(pointers: Pointers) -> None:
    pointers.point(7, 8)
    pointers.turn(3)
    pointers.hold(4)
    other = Pointers()
    other.restore(pointers.state())
    assert other.state() == {"x": 7, "y": 8, "wheel": 3, "buttons": 4}
