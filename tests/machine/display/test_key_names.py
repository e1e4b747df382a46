"""Names of keys, and what they type."""

from __future__ import annotations

import pytest

from qmpx.machine.display.key_names import (
    KEYS,
    LATER_KEYS,
    NAMES,
    key_of_keysym,
    typed,
)

# Observed names and codes of QEMU 0.13's table, some of each kind.
SAMPLES = {
    "esc": 0x01,
    "1": 0x02,
    "0": 0x0B,
    "equal": 0x0D,
    "backspace": 0x0E,
    "q": 0x10,
    "bracket_right": 0x1B,
    "ret": 0x1C,
    "a": 0x1E,
    "grave_accent": 0x29,
    "backslash": 0x2B,
    "z": 0x2C,
    "m": 0x32,
    "slash": 0x35,
    "spc": 0x39,
    "f1": 0x3B,
    "f10": 0x44,
    "num_lock": 0x45,
    "kp_7": 0x47,
    "kp_0": 0x52,
    "<": 0x56,
    "f12": 0x58,
    "ctrl_r": 0x9D,
    "kp_enter": 0x9C,
    "home": 0xC7,
    "delete": 0xD3,
    "menu": 0xDD,
    "sysrq": 0x54,
    "print": 0xB7,
    "shift_r": 0x36,
    "altgr": 0x64,
}


@pytest.mark.parametrize(("name", "code"), SAMPLES.items())
def test_a_key_has_the_code_of_a_pc(name: str, code: int) -> None:
    assert KEYS[name] == code


def test_there_are_the_keys_of_2010_and_of_today() -> None:
    assert len(KEYS) == 106
    assert not KEYS.keys() & LATER_KEYS.keys()
    assert all(0 < code < 0x100 for code in (KEYS | LATER_KEYS).values())


def test_every_code_has_the_name_of_2010_where_there_is_one() -> None:
    assert all((KEYS | LATER_KEYS)[name] == code for code, name in NAMES.items())
    assert NAMES[KEYS["<"]] == "<"
    assert NAMES[0x37] == "asterisk"


@pytest.mark.parametrize(
    ("name", "plain", "shifted", "capital"),
    [
        ("a", "a", "A", "A"),
        ("1", "1", "!", "1"),
        ("minus", "-", "_", "-"),
        ("apostrophe", "'", '"', "'"),
        ("backslash", "\\", "|", "\\"),
        ("<", "<", ">", "<"),
        ("spc", " ", " ", " "),
        ("ret", "\n", "\n", "\n"),
        ("kp_5", "5", "5", "5"),
        ("kp_add", "+", "+", "+"),
        ("asterisk", "*", "*", "*"),
        ("f1", "", "", ""),
        ("shift", "", "", ""),
        ("home", "", "", ""),
    ],
)
def test_a_key_types_what_stands_on_it(
    name: str, plain: str, shifted: str, capital: str
) -> None:
    code = KEYS[name]
    assert typed(code) == plain
    assert typed(code, shift=True) == shifted
    assert typed(code, capitals=True) == capital


def test_shift_undoes_caps_lock() -> None:
    assert typed(KEYS["a"], shift=True, capitals=True) == "a"


@pytest.mark.parametrize("code", range(0x20, 0x7F))
def test_a_keysym_of_a_letter_types_it_with_a_key_that_can(code: int) -> None:
    key = key_of_keysym(code)
    assert key is not None
    assert key[1] == chr(code)
    assert chr(code) in {typed(key[0]), typed(key[0], shift=True)}


@pytest.mark.parametrize(
    ("keysym", "name"),
    [
        (0xFF08, "backspace"),
        (0xFF0D, "ret"),
        (0xFF1B, "esc"),
        (0xFF50, "home"),
        (0xFF52, "up"),
        (0xFF57, "end"),
        (0xFF8D, "kp_enter"),
        (0xFFB5, "kp_5"),
        (0xFFBE, "f1"),
        (0xFFC9, "f12"),
        (0xFFE1, "shift"),
        (0xFFE4, "ctrl_r"),
        (0xFFE9, "alt"),
        (0xFFFF, "delete"),
    ],
)
def test_a_keysym_of_another_key_is_that_key(keysym: int, name: str) -> None:
    assert key_of_keysym(keysym) == (KEYS[name], None)


@pytest.mark.parametrize("keysym", [0, 0x1F, 0x7F, 0xE9, 0x20AC, 0xFFFFFFFF])
def test_a_keysym_of_no_key_of_ours_is_none(keysym: int) -> None:
    assert key_of_keysym(keysym) is None
