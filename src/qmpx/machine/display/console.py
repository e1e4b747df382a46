"""What the screen shows: which machine this is, how it is, and what was typed.

There is no guest that could draw, so the machine tells of itself. It is composed anew
when somebody looks, and only what has changed is drawn.
"""

import datetime as dt
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from qmpx.machine.display.keys import Keyboard
from qmpx.machine.display.pointers import FULL_SCALE, Pointers
from qmpx.machine.display.screen import (
    ACCENT,
    BAD,
    BAR,
    BAR_INK,
    DIM,
    GOOD,
    INK,
    MAX_COLUMNS,
    MAX_ROWS,
    Line,
    Screen,
    line,
)

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

PROMPT: Final = "  > "
"""What stands before the line that is being typed."""
_TOP: Final = 9  # the first row of what was typed
_TAB: Final = 8  # letters between two tab stops
_LABEL: Final = 14  # letters of the column that says what the next one shows
_BUTTONS: Final = ((1, "left"), (2, "middle"), (4, "right"))


class Console:
    """What is on the screen.

    Args:
        machine: Of which it tells.
        screen: Where it tells it.
        keyboard: Whose keys it shows.
        pointers: Whose place it shows.

    Attributes:
        typed: The lines that were typed, the one that is being typed last.
    """

    def __init__(
        self, machine: "Machine", screen: Screen, keyboard: Keyboard, pointers: Pointers
    ) -> None:
        self.typed: deque[str] = deque([""], maxlen=MAX_ROWS)
        self._machine = machine
        self._screen = screen
        self._keyboard = keyboard
        self._pointers = pointers

    def type(self, text: str) -> None:
        r"""Take what was typed: ``\b`` takes back, ``\n`` ends a line."""
        for character in text:
            if character == "\b":
                self.typed[-1] = self.typed[-1][:-1]
            elif character == "\n":
                self.typed.append("")
            elif character == "\t":
                self._add(" " * (_TAB - len(self.typed[-1]) % _TAB))
            else:
                self._add(character)

    def _add(self, text: str) -> None:
        if len(self.typed[-1]) + len(text) > self._room:
            self.typed.append("")
        self.typed[-1] += text

    @property
    def _room(self) -> int:
        """Letters of a typed line: those of the screen, less prompt and cursor."""
        return self._screen.columns - len(PROMPT) - 2

    def clear(self) -> None:
        """Forget what was typed."""
        self.typed.clear()
        self.typed.append("")

    def draw(self, viewers: Sequence[str] = (), address: str = "") -> None:
        """Bring the screen up to date.

        Args:
            viewers: Who looks at it from elsewhere.
            address: Where they came in; empty if nobody can.
        """
        columns, rows = self._screen.columns, self._screen.rows
        lines = [self._title(), *self._facts(viewers, address)]
        below = self._typed(max(rows - _TOP - 1, 1))
        lines += [line(columns=columns)] * (_TOP - len(lines)) + below
        lines += [line(columns=columns)] * (rows - 1 - len(lines))
        self._screen.show([*lines[: rows - 1], self._status()])

    def _title(self) -> Line:
        machine, columns = self._machine, self._screen.columns
        now = dt.datetime.fromtimestamp(
            machine.clock.microseconds() // 1_000_000, dt.UTC
        )
        clock = now.strftime("%Y-%m-%d %H:%M:%S UTC ")
        name = f" {machine.name or 'a machine without a name'}"
        room = columns - len(clock) - 1
        name = name if len(name) <= room else name[: room - 3] + "..."
        gap = " " * (columns - len(name) - len(clock))
        return line((name + gap + clock, BAR_INK), paper=BAR, columns=columns)

    def _facts(self, viewers: Sequence[str], address: str) -> list[Line]:
        machine, columns = self._machine, self._screen.columns
        state = machine.state
        count = machine.processor_count
        processors = f"{count} processor{'s' if count != 1 else ''}"
        memory = f"{machine.memory_size // 2**20} MiB"
        rows = [
            ("state", state.value, GOOD if state.is_running else BAD),
            ("machine", f"{processors}, {memory}", INK),
            ("uuid", str(machine.uuid), INK),
            ("vnc", _vnc(viewers, address), INK),
        ]
        blank = line(columns=columns)
        facts = [
            line((f"  {label:{_LABEL}}", DIM), (text, ink), columns=columns)
            for label, text, ink in rows
        ]
        return [blank, *facts, blank]

    def _typed(self, room: int) -> list[Line]:
        columns = self._screen.columns
        *before, last = list(self.typed)[-room:]
        done = [line((PROMPT, DIM), text, columns=columns) for text in before]
        cursor = ("\x7f", ACCENT)
        return [*done, line((PROMPT, DIM), last, cursor, columns=columns)]

    def _status(self) -> Line:
        pointers, screen = self._pointers, self._screen
        x = round(pointers.x * (screen.width - 1) / FULL_SCALE)
        y = round(pointers.y * (screen.height - 1) / FULL_SCALE)
        down = [name for bit, name in _BUTTONS if pointers.buttons & bit]
        pointer = " ".join([f"pointer {x},{y}", *down])
        held = " ".join(self._keyboard.held_names)
        capitals = "  CAPS" if self._keyboard.has_capitals else ""
        left = f" keys {held or '-'}{capitals}"
        room = screen.columns - len(pointer) - 2
        left = left[:room].ljust(room)
        return line((f"{left} {pointer} ", BAR_INK), paper=BAR, columns=screen.columns)

    def state(self) -> dict[str, Any]:
        """Return what was typed."""
        return {"typed": list(self.typed)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned."""
        lines = [text[:MAX_COLUMNS] for text in state["typed"][-MAX_ROWS:]]
        self.typed = deque(lines or [""], maxlen=MAX_ROWS)


def _vnc(viewers: Sequence[str], address: str) -> str:
    if not address:
        return "off"
    count = len(viewers)
    return f"{address}, {count} viewer{'s' if count != 1 else ''}"
