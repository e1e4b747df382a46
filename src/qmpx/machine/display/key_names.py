"""The names of keys, and what they type.

Codes are those of the PC's keyboard, set 1; bit 7 stands for a leading 0xE0.

Source: QEMU 0.13's `sendkey`; the later names are those of QEMU 7.2's `QKeyCode`. What
keys type is the US layout; keysyms are those of X11.
"""

from typing import Final


def _row(first: int, names: str) -> dict[str, int]:
    return {name: first + n for n, name in enumerate(names.split())}


def _coded(text: str) -> dict[str, int]:
    pairs = (pair.split(":") for pair in text.split())
    return {name: int(code, 16) for name, code in pairs}


KEYS: Final[dict[str, int]] = {
    **_coded("shift:2a shift_r:36 alt:38 alt_r:b8 altgr:64 altgr_r:e4"),
    **_coded("ctrl:1d ctrl_r:9d menu:dd"),
    **_row(0x01, "esc 1 2 3 4 5 6 7 8 9 0 minus equal backspace"),
    **_row(0x0F, "tab q w e r t y u i o p bracket_left bracket_right ret"),
    **_row(0x1E, "a s d f g h j k l semicolon apostrophe grave_accent"),
    **_row(0x2B, "backslash z x c v b n m comma dot slash"),
    **_coded("asterisk:37 spc:39 caps_lock:3a"),
    **_row(0x3B, "f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 num_lock scroll_lock"),
    **_coded("kp_divide:b5 kp_multiply:37 kp_subtract:4a kp_add:4e"),
    **_coded("kp_enter:9c kp_decimal:53 sysrq:54"),
    **_row(0x4F, "kp_1 kp_2 kp_3 kp_0"),
    **_row(0x4B, "kp_4 kp_5 kp_6"),
    **_row(0x47, "kp_7 kp_8 kp_9"),
    **_coded("<:56 f11:57 f12:58 print:b7"),
    **_row(0xC7, "home up pgup"),
    **_coded("left:cb right:cd"),
    **_row(0xCF, "end down pgdn insert delete"),
}
"""The keys that QEMU 0.13 knows, by name."""

LATER_KEYS: Final[dict[str, int]] = _coded(
    "less:56 meta_l:db meta_r:dc compose:dd pause:c6 ro:73 yen:7d kp_comma:7e"
    " kp_equals:59 henkan:79 muhenkan:7b katakanahiragana:70 hiragana:77"
    " power:de sleep:df wake:e3 audionext:99 audioprev:90 audiostop:a4 audioplay:a2"
    " audiomute:a0 volumeup:b0 volumedown:ae mediaselect:ed mail:ec calculator:a1"
    " computer:eb ac_home:b2 ac_back:ea ac_forward:e9 ac_refresh:e7 ac_bookmarks:e6"
    " lang1:72 lang2:71"
)
"""Names that came after QEMU 0.13."""

UNCODED_KEYS: Final = frozenset(
    {"unmapped", "stop", "again", "props", "undo", "front", "copy", "open", "paste"}
    | {"find", "cut", "lf", "help"}
)
"""Names that QEMU 7.2 knows too, of keys that this keyboard has not."""

NAMES: Final[dict[int, str]] = {
    code: name for name, code in reversed((KEYS | LATER_KEYS).items())
}
"""A name for each code."""

_ALPHANUMERIC: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
# Each word is a key's name and, at its end, what it types.
_SYMBOLS: Final = (
    "minus- equal= bracket_left[ bracket_right] << semicolon; apostrophe'"
    " grave_accent` backslash\\ comma, dot. slash/"
)
_PLAIN: Final = {
    **{KEYS[letter]: letter for letter in _ALPHANUMERIC},
    **{KEYS[word[:-1]]: word[-1] for word in _SYMBOLS.split()},
    KEYS["spc"]: " ",
    KEYS["ret"]: "\n",
    KEYS["kp_enter"]: "\n",
    KEYS["tab"]: "\t",
    KEYS["backspace"]: "\b",
}
_KEYPAD: Final = {
    KEYS[f"kp_{name}"]: text
    for name, text in zip(
        [*"0123456789", "divide", "multiply", "subtract", "add", "decimal"],
        "0123456789/*-+.",
        strict=True,
    )
}
_SHIFTED: Final = dict(
    zip("1234567890-=[];'`\\,./<", '!@#$%^&*()_+{}:"~|<>?>', strict=True)
)

SHIFTS: Final = frozenset({KEYS["shift"], KEYS["shift_r"]})
"""The keys that make capitals."""
CONTROLS: Final = frozenset({KEYS["ctrl"], KEYS["ctrl_r"]})
"""The keys that make control characters."""
ALTS: Final = frozenset(KEYS[name] for name in ("alt", "alt_r", "altgr", "altgr_r"))
"""The keys with which a letter is a command, not text."""


def typed(code: int, *, shift: bool = False, capitals: bool = False) -> str:
    """Return what a key types; empty if it types nothing.

    Args:
        code: The key.
        shift: Whether a shift key is held.
        capitals: Whether Caps Lock is on.
    """
    if code in _KEYPAD:
        return _KEYPAD[code]
    plain = _PLAIN.get(code, "")
    if plain.isalpha():
        return plain.upper() if shift is not capitals else plain
    return _SHIFTED.get(plain, plain) if shift else plain


_KEYSYMS: Final[dict[int, str]] = {
    code: name
    for name, code in (
        *_coded("backspace:ff08 tab:ff09 ret:ff0d pause:ff13 esc:ff1b").items(),
        *_coded("scroll_lock:ff14 sysrq:ff15 print:ff61 insert:ff63").items(),
        *_row(0xFF50, "home left up right down pgup pgdn end").items(),
        *_coded("menu:ff67 num_lock:ff7f kp_enter:ff8d kp_multiply:ffaa").items(),
        *_coded("kp_add:ffab kp_subtract:ffad kp_decimal:ffae kp_divide:ffaf").items(),
        *_row(0xFFB0, " ".join(f"kp_{n}" for n in range(10))).items(),
        *_row(0xFFBE, " ".join(f"f{n}" for n in range(1, 13))).items(),
        *_row(0xFFE1, "shift shift_r ctrl ctrl_r caps_lock").items(),
        *_row(0xFFE7, "meta_l meta_r alt alt_r").items(),
        *_row(0xFFEB, "meta_l meta_r").items(),
        *_coded("altgr:fe03 tab:fe20 delete:ffff").items(),
    )
}
_TYPES: Final[dict[str, int]] = {
    typed(code, shift=shift): code for shift in (True, False) for code in _PLAIN
}


def key_of_keysym(keysym: int) -> tuple[int, str | None] | None:
    """Return a key's code and what it is to type, or ``None`` if there is no such key.

    A keysym of a letter says itself what is typed, whatever else is held; for other
    keys the text is ``None``.
    """
    if keysym in _KEYSYMS:
        name = _KEYSYMS[keysym]
        return (KEYS[name] if name in KEYS else LATER_KEYS[name]), None
    if 0x20 <= keysym < 0x7F:
        return _TYPES[chr(keysym)], chr(keysym)
    return None
