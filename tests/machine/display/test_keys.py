"""The keyboard."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.errors import GenericError
from qmpx.machine import VirtualClock
from qmpx.machine.display.key_names import KEYS
from qmpx.machine.display.keys import MAX_HELD, Keyboard, parse_keys

A, SHIFT, CTRL, ALT = (KEYS[name] for name in ("a", "shift", "ctrl", "alt"))


class Desk:
    """A keyboard, and all that comes of it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.codes: list[int] = []
        self.text = ""
        self.changes = 0
        self.keyboard = Keyboard(
            self.clock, self.codes.append, self.write, self.note_change
        )

    def write(self, text: str) -> None:
        self.text += text

    def note_change(self) -> None:
        self.changes += 1


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("a", [0x1E]),
        ("ctrl-alt-delete", [0x1D, 0x38, 0xD3]),
        ("0x1e", [0x1E]),
        ("0xFF", [0xFF]),
        ("0x1", [0x01]),
        ("-a-", [0x1E]),
        ("a--b", [0x1E, 0x30]),
        ("", []),
        ("-", []),
        ("a-a", [0x1E, 0x1E]),
        ("-".join(["a"] * 16), [0x1E] * 16),
    ],
)
def test_keys_are_written_with_hyphens(text: str, codes: list[int]) -> None:
    assert parse_keys(text) == codes


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("foo", "unknown key: 'foo'"),
        ("ctrl-foo-a", "unknown key: 'foo'"),
        ("A", "unknown key: 'A'"),
        ("0x0", "unknown key: '0x0'"),
        ("0x100", "unknown key: '0x100'"),
        ("0x", "unknown key: '0x'"),
        ("0x1_0", "unknown key: '0x1_0'"),
        ("0x-1", "unknown key: '0x'"),
        ("0xzz", "unknown key: '0xzz'"),
        ("less", "unknown key: 'less'"),
        ("bracket_righty", "unknown key: 'bracket_righty'"),
        ("abcdefghijklmnop", "invalid key: 'abcdefghijklmno...'"),
        ("a-abcdefghijklmnop-b", "invalid key: 'abcdefghijklmno...'"),
        ("-".join(["a"] * 17), "too many keys"),
        ("-".join(["a"] * 16 + ["foo"]), "too many keys"),
        (
            "-".join(["a"] * 16 + ["abcdefghijklmnop"]),
            "invalid key: 'abcdefghijklmno...'",
        ),
    ],
)
def test_what_is_no_key_is_said_in_the_words_of_2010(text: str, complaint: str) -> None:
    with pytest.raises(GenericError) as caught:
        parse_keys(text)
    assert caught.value.desc == complaint


def test_the_guest_is_told_of_keys_going_down_and_up(desk: Desk) -> None:
    desk.keyboard.press(A)
    desk.keyboard.release(A)
    desk.keyboard.press(KEYS["home"])
    desk.keyboard.release(KEYS["home"])
    assert desk.codes == [0x1E, 0x9E, 0xE0, 0x47, 0xE0, 0xC7]
    assert desk.changes == 4


def test_a_key_that_is_up_is_not_let_go(desk: Desk) -> None:
    desk.keyboard.release(A)
    assert (desk.codes, desk.changes) == ([], 0)


def test_a_held_key_repeats(desk: Desk) -> None:
    desk.keyboard.press(A)
    desk.keyboard.press(A)
    assert desk.text == "aa"
    assert desk.keyboard.held_names == ["a"]


@pytest.mark.parametrize(
    ("held", "key", "text"),
    [
        ([], "a", "a"),
        (["shift"], "a", "A"),
        (["shift_r"], "1", "!"),
        (["caps_lock"], "a", "A"),
        (["caps_lock", "shift"], "a", "a"),
        (["ctrl"], "c", "^C"),
        (["ctrl", "shift"], "c", "^C"),
        (["ctrl"], "1", "1"),
        (["alt"], "a", ""),
        (["ctrl", "alt"], "delete", ""),
        (["altgr"], "a", ""),
        ([], "ret", "\n"),
        ([], "backspace", "\b"),
    ],
)
def test_what_is_held_changes_what_is_typed(
    desk: Desk, held: list[str], key: str, text: str
) -> None:
    for name in held:
        desk.keyboard.press(KEYS[name])
    desk.keyboard.press(KEYS[key])
    assert desk.text == text


def test_sent_keys_are_held_for_a_tenth_of_a_second(desk: Desk) -> None:
    desk.keyboard.send([CTRL, ALT])
    assert desk.keyboard.held_names == ["ctrl", "alt"]
    desk.clock.advance(0.099)
    assert desk.keyboard.held_names == ["ctrl", "alt"]
    desk.clock.advance(0.001)
    assert desk.keyboard.held_names == []
    assert desk.codes == [0x1D, 0x38, 0x9D, 0xB8]


@pytest.mark.parametrize(("hold", "seconds"), [(2500, 2.5), (0, 0.0), (-1, 0.0)])
def test_sent_keys_are_held_as_long_as_is_said(
    desk: Desk, hold: int, seconds: float
) -> None:
    desk.keyboard.send([A], hold)
    assert desk.keyboard.held_names == ["a"]
    desk.clock.advance(seconds)
    assert desk.keyboard.held_names == []


def test_sending_again_lets_the_earlier_keys_go_first(desk: Desk) -> None:
    desk.keyboard.send([CTRL], 1000)
    desk.keyboard.send([A])
    assert desk.codes == [0x1D, 0x9D, 0x1E]
    assert desk.text == "a"
    desk.clock.advance(0.1)
    assert desk.codes == [0x1D, 0x9D, 0x1E, 0x9E]
    desk.clock.advance(10)
    assert desk.codes == [0x1D, 0x9D, 0x1E, 0x9E]


def test_all_keys_can_be_let_go_at_once(desk: Desk) -> None:
    desk.keyboard.send([CTRL, A], 1000)
    desk.keyboard.press(SHIFT)
    desk.keyboard.release_all()
    assert desk.keyboard.held_names == []
    desk.clock.advance(10)
    assert desk.codes == [0x1D, 0x1E, 0x2A, 0x9D, 0x9E, 0xAA]


def test_no_keyboard_has_more_keys_than_this(desk: Desk) -> None:
    for code in range(1, 0xFF):
        desk.keyboard.press(code)
    assert len(desk.keyboard.held) == MAX_HELD
    desk.keyboard.release_all()
    assert not desk.keyboard.held


def test_a_keysym_presses_its_key_and_types_its_letter(desk: Desk) -> None:
    for keysym, down in [(0x41, True), (0x41, False), (0x20AC, True), (0xFFE1, True)]:
        desk.keyboard.press_keysym(keysym, down=down)
    assert desk.text == "A"
    assert desk.codes == [0x1E, 0x9E, 0x2A]


def test_a_moved_keyboard_has_no_key_down_but_caps_lock_on(desk: Desk) -> None:
    desk.keyboard.press(KEYS["caps_lock"])
    desk.keyboard.press(A)
    state: dict[str, Any] = desk.keyboard.state()
    assert state == {"has_capitals": True}
    other = Desk()
    other.keyboard.press(SHIFT)
    other.keyboard.restore(state)
    assert other.keyboard.held_names == []
    other.keyboard.press(A)
    assert other.text == "A"


def test_a_reset_lets_all_go(desk: Desk) -> None:
    desk.keyboard.press(KEYS["caps_lock"])
    desk.keyboard.reset()
    assert desk.keyboard.held_names == []
    desk.keyboard.press(A)
    assert desk.text == "a"
