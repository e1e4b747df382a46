"""The keyboard: keys that are pressed, held and let go.

Source: QEMU 0.13's `sendkey`, its words included.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.clock import Clock, Timer
from qmpx.machine.display.key_names import (
    ALTS,
    CONTROLS,
    KEYS,
    NAMES,
    SHIFTS,
    key_of_keysym,
    typed,
)

HOLD_MILLISECONDS: Final[int] = 100
"""How long `send` holds keys unless told: QEMU's figure."""
MAX_KEYS: Final = 16
"""Keys that `send` takes at once: QEMU's figure; hands have ten fingers."""
MAX_KEY_NAME: Final = 15
"""Characters of a key's name: QEMU's figure; the longest name has 13."""
MAX_HELD: Final = 128
"""Keys that are held at once: a keyboard has fewer. Further ones are not pressed."""


def parse_keys(text: str) -> list[int]:
    """Return the codes of keys that are written as `sendkey` wants it: ``ctrl-alt-f1``.

    Args:
        text: Names, or codes such as ``0x1e``, joined by hyphens.

    Raises:
        GenericError: A name is unknown or too long, or there are too many.
    """
    codes: list[int] = []
    rest = text
    while True:
        name, hyphen, following = rest.partition("-")
        if len(name) > MAX_KEY_NAME:
            message = f"invalid key: '{rest[:MAX_KEY_NAME]}...'"
            raise GenericError(message)
        if name and len(codes) == MAX_KEYS:
            message = "too many keys"
            raise GenericError(message)
        if name:
            codes.append(_code(name))
        if not hyphen:
            return codes
        rest = following


def _code(name: str) -> int:
    if name in KEYS:
        return KEYS[name]
    digits = name.removeprefix("0x")
    if digits != name and digits.isascii() and digits.isalnum():
        try:
            code = int(digits, 16)
        except ValueError:
            code = 0
        if 0 < code <= 0xFF:
            return code
    message = f"unknown key: '{name}'"
    raise GenericError(message)


class Keyboard:
    r"""A keyboard.

    Args:
        clock: Says when sent keys are let go.
        on_code: Is given what the wire has for the guest, byte by byte.
        on_text: Is given what is typed; ``\b`` takes back, ``\n`` ends a line.
        on_change: Is told when keys were pressed or let go.

    Attributes:
        held: The codes of the keys that are down, in their order.
        has_capitals: Whether Caps Lock is on.
    """

    def __init__(
        self,
        clock: Clock,
        on_code: Callable[[int], None] = lambda _: None,
        on_text: Callable[[str], None] = lambda _: None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.held: dict[int, None] = {}
        self.has_capitals = False
        self._clock = clock
        self._on_code = on_code
        self._on_text = on_text
        self._on_change = on_change
        self._sent: list[int] = []
        self._release: Timer | None = None

    @property
    def held_names(self) -> list[str]:
        """The names of the keys that are down."""
        return [NAMES.get(code, f"0x{code:02x}") for code in self.held]

    def press(self, code: int, text: str | None = None) -> None:
        """Press a key; one that is held repeats.

        Args:
            code: The key.
            text: What it types, if not what the US layout says.
        """
        if code not in self.held and len(self.held) == MAX_HELD:
            return
        self.held[code] = None
        if code == KEYS["caps_lock"]:
            self.has_capitals = not self.has_capitals
        self._tell_guest(code)
        self._on_text(self._text(code) if text is None else self._control(text))
        self._on_change()

    def release(self, code: int) -> None:
        """Let a key go; nothing happens if it is up."""
        if code in self.held:
            del self.held[code]
            self._tell_guest(code, up=True)
            self._on_change()

    def press_keysym(self, keysym: int, *, down: bool) -> None:
        """Press a key or let it go, by its X11 keysym; there may be none."""
        if (key := key_of_keysym(keysym)) is None:
            return
        code, text = key
        if down:
            self.press(code, text)
        else:
            self.release(code)

    def send(self, codes: Sequence[int], hold: int | None = None) -> None:
        """Press keys one after the other, and let them go together later.

        Keys of an earlier call that are still held are let go first.

        Args:
            codes: Which.
            hold: For how long, in milliseconds; `HOLD_MILLISECONDS` unless told.
        """
        if self._release is not None:
            self._release.cancel()
            self._let_go()
        for code in codes:
            self.press(code)
        self._sent = list(codes)
        delay = max(HOLD_MILLISECONDS if hold is None else hold, 0) / 1000
        self._release = self._clock.call_later(delay, self._let_go)

    def release_all(self) -> None:
        """Let all keys go, at once."""
        if self._release is not None:
            self._release.cancel()
            self._release = None
        self._sent = []
        for code in list(self.held):
            self.release(code)

    def reset(self) -> None:
        """Let all keys go, Caps Lock too."""
        self.release_all()
        self.has_capitals = False

    def state(self) -> dict[str, Any]:
        """Return what moves with the machine: no key stays down over that."""
        return {"has_capitals": self.has_capitals}

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned."""
        self.release_all()
        self.has_capitals = bool(state["has_capitals"])

    def _let_go(self) -> None:
        self._release = None
        sent, self._sent = self._sent, []
        for code in sent:
            self.release(code)

    def _tell_guest(self, code: int, *, up: bool = False) -> None:
        if code & 0x80:
            self._on_code(0xE0)
        self._on_code(code & 0x7F | (0x80 if up else 0))

    def _text(self, code: int) -> str:
        if not self.held.keys().isdisjoint(ALTS):
            return ""
        shift = not self.held.keys().isdisjoint(SHIFTS)
        return self._control(typed(code, shift=shift, capitals=self.has_capitals))

    def _control(self, text: str) -> str:
        """Return what a letter is while Ctrl is held: ``^C``."""
        if text.isalpha() and not self.held.keys().isdisjoint(CONTROLS):
            return f"^{text.upper()}"
        return text
