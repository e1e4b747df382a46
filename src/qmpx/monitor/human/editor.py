"""The line editor of the human monitor: keys in, what the terminal is to show out.

It knows no terminal and does no input or output. However the input is cut, what it
says is the same.

What it sends is what QEMU's sends, to the byte: after each key that changed the line,
the cursor goes back to its start with one ``ESC [ D`` per character shown, the line is
written anew, and ``ESC [ K`` takes away what was behind it. A terminal's own keys for
Home and End, Ctrl-B, F, K, L, N, P, R, U and Ctrl-C are more than QEMU 0.13 had.

Source: QEMU 0.13, observed.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from qmpx.monitor.human.expression import SPACE
from qmpx.monitor.human.keys import Key, KeyReader
from qmpx.monitor.recall import History

MAX_LINE: Final = 4095
"""Bytes of a line, as in QEMU; what is typed beyond them is not taken."""

MAX_OUTPUT: Final = 64 * 1024
"""Bytes of output after which the editor stops for its caller to send them.

Each byte that is typed rewrites the line: a long line costs four times its square.
"""

MAX_COMPLETIONS: Final = 256
"""Ways to complete a word that are shown, as in QEMU; the others are not."""

SCREEN_WIDTH: Final = 80
"""Columns that completions are laid out for: the terminal's own are not known."""

NARROWEST_COLUMN: Final = 10
"""Characters of a column of completions, at least."""

_LEFT: Final = b"\x1b[D"
_RIGHT: Final = b"\x1b[C"
_ERASE: Final = b"\x1b[K"
_CLEAR: Final = b"\x1b[H\x1b[2J"


class Completions(NamedTuple):
    """How the word before the cursor may go on.

    Attributes:
        typed: How many characters of it are there.
        words: What it may be, whole.
    """

    typed: int
    words: Sequence[str]


class Interrupted:
    """What `LineEditor.edit` returns for a Ctrl-C: the line is given up."""


INTERRUPTED: Final = Interrupted()
Complete = Callable[[str], Completions]


def complete_nothing(_: str) -> Completions:
    """Complete nothing."""
    return Completions(0, ())


class LineEditor:
    """A line that is being typed.

    Args:
        history: The lines before it; those that are entered are added.
        complete: What completes a word; it gets the line up to the cursor.

    Attributes:
        history: The lines that were entered.
    """

    def __init__(self, history: History, complete: Complete = complete_nothing) -> None:
        self.history = history
        self._complete = complete
        self._keys = KeyReader()
        self._input = bytearray()
        self._pressed: list[Key | str] = []  # of the last byte, if not taken yet
        self._output = bytearray()
        self._prompt = ""
        self._is_hidden = False
        self._text = ""
        self._at = 0  # the cursor, in the text
        self._shown = ""
        self._shown_at = 0
        self._recalled = -1  # which line of the history this one was
        self._search: _Search | None = None

    def feed(self, data: bytes) -> None:
        """Take what the terminal sent."""
        self._input += data

    @property
    def has_input(self) -> bool:
        """Whether there is something left to look at."""
        return bool(self._input or self._pressed)

    def print(self, text: str) -> None:
        """Show a text as it is, but for line ends, which become a terminal's."""
        self._output += encode_text(text)

    def take_output(self) -> bytes:
        """Return what is to be sent to the terminal, and forget it."""
        output, self._output = bytes(self._output), bytearray()
        return output

    @property
    def unsent(self) -> int:
        """Bytes of output that were not taken yet."""
        return len(self._output)

    def start(self, prompt: str, *, is_hidden: bool = False) -> None:
        """Show a prompt and begin a line behind it.

        Args:
            prompt: What to show.
            is_hidden: Whether it is a password: shown as ``*``, and not remembered.
        """
        self._prompt = prompt
        self._is_hidden = is_hidden
        self._set("")
        self._show_prompt()

    def edit(self) -> str | Interrupted | None:
        """Carry out keys until a line is entered.

        Returns:
            The line, without its end; or that it was given up. The caller is to `start`
            the next one. ``None`` if there is no input left, or if so much output has
            gathered that it should be sent first: see `has_input`.
        """
        while len(self._output) < MAX_OUTPUT:
            if self._pressed:
                key = self._pressed.pop(0)
                if (line := self._press(key)) is not None:
                    return line
            elif self._input:
                self._pressed += self._next_keys()
            else:
                return None
        return None

    def _next_keys(self) -> list[Key | str]:
        byte = self._input[0]
        del self._input[0]
        return list(self._keys.read(byte))

    def _press(self, key: Key | str) -> str | Interrupted | None:
        if self._search is not None and not self._seek(key, self._search):
            return None
        if key is Key.ENTER:
            return self._enter()
        if key is Key.INTERRUPT:
            self._recalled = -1
            self.print("^C\n")
            return INTERRUPTED
        if isinstance(key, str):
            self._insert(key)
        elif (action := _ACTIONS.get(key)) is not None:
            action(self)
        self._update()
        return None

    def _enter(self) -> str:
        line = self._text
        if not self._is_hidden:
            self.history.add(line)
        self._recalled = -1
        self.print("\n")
        self._set("")
        self._shown, self._shown_at = "", 0
        return line

    # The line and the cursor.

    def _set(self, text: str) -> None:
        self._text = text
        self._at = len(text)

    def _insert(self, text: str) -> None:
        if _size(self._text) + _size(text) > MAX_LINE:
            return
        self._text = self._text[: self._at] + text + self._text[self._at :]
        self._at += len(text)

    def _cut(self, start: int, end: int) -> None:
        self._text = self._text[:start] + self._text[end:]
        self._at = start

    def _home(self) -> None:
        self._at = 0

    def _end(self) -> None:
        self._at = len(self._text)

    def _left(self) -> None:
        self._at = max(self._at - 1, 0)

    def _right(self) -> None:
        self._at = min(self._at + 1, len(self._text))

    def _delete(self) -> None:
        self._cut(self._at, self._at + 1)

    def _backspace(self) -> None:
        self._cut(max(self._at - 1, 0), self._at)

    def _cut_end(self) -> None:
        self._cut(self._at, len(self._text))

    def _cut_start(self) -> None:
        self._cut(0, self._at)

    def _cut_word(self) -> None:
        start = self._at
        while start > 0 and self._text[start - 1] in SPACE:
            start -= 1
        while start > 0 and self._text[start - 1] not in SPACE:
            start -= 1
        self._cut(start, self._at)

    def _redraw(self) -> None:
        self._output += _CLEAR
        self._show_prompt()

    # The history.

    def _up(self) -> None:
        if self._is_hidden or self._recalled == 0 or not len(self.history):
            return
        newest = len(self.history) if self._recalled < 0 else self._recalled
        self._recalled = min(newest, len(self.history)) - 1
        self._set(self.history[self._recalled])

    def _down(self) -> None:
        if self._is_hidden or self._recalled < 0:
            return
        self._recalled += 1
        if self._recalled < len(self.history):
            self._set(self.history[self._recalled])
        else:
            self._recalled = -1
            self._set("")

    def _begin_search(self) -> None:
        if not self._is_hidden:
            self._search = _Search(len(self.history))
            self._show_search(self._search)

    def _seek(self, key: Key | str, search: "_Search") -> bool:
        """Carry out a key of a search; tell whether it is one for the line instead."""
        if isinstance(key, str):
            if _size(search.text) < MAX_LINE:
                search.text += key
            search.find(self.history, search.index + 1)
        elif key is Key.SEARCH:
            search.find(self.history, search.index)
        elif key is Key.BACKSPACE:
            search.text = search.text[:-1]
            search.find(self.history, len(self.history))
        else:
            self._end_search(search, key)
            return key is not Key.GIVE_UP
        self._show_search(search)
        return False

    def _show_search(self, search: "_Search") -> None:
        what = "" if search.is_found else "failed "
        text = f"\r({what}reverse-i-search)`{search.text}': {search.line}"
        self._output += encode_text(text) + _ERASE

    def _end_search(self, search: "_Search", key: Key) -> None:
        self._search = None
        if search.line and key not in (Key.GIVE_UP, Key.INTERRUPT):
            self._set(search.line)
        self._output += b"\r"
        self._show_prompt()
        self._output += _ERASE
        self._update()

    # The terminal.

    def _show_prompt(self) -> None:
        self._output += encode_text(self._prompt)
        self._shown, self._shown_at = "", 0

    def _update(self) -> None:
        """Let the terminal show the line as it is, and the cursor."""
        if self._search is not None:
            return
        if self._text != self._shown:
            text = "*" * len(self._text) if self._is_hidden else self._text
            self._output += _LEFT * self._shown_at + encode_text(text) + _ERASE
            self._shown = self._text
            self._shown_at = len(self._text)
        if (delta := self._at - self._shown_at) != 0:
            self._output += _RIGHT * delta if delta > 0 else _LEFT * -delta
            self._shown_at = self._at

    # Completion.

    def _tab(self) -> None:
        if self._is_hidden:
            return
        typed, words = self._complete(self._text[: self._at])
        words = words[:MAX_COMPLETIONS]
        if len(words) == 1:
            (word,) = words
            self._insert_all(word[typed:] + ("" if word.endswith("/") else " "))
        elif words:
            self._insert_all(common_start(words)[typed:])
            self.print("\n" + columns(words))
            self._show_prompt()

    def _insert_all(self, text: str) -> None:
        for char in text:
            self._insert(char)


_ACTIONS: Final[dict[Key, Callable[[LineEditor], None]]] = {
    Key.HOME: LineEditor._home,  # noqa: SLF001 - this module's own
    Key.END: LineEditor._end,  # noqa: SLF001
    Key.LEFT: LineEditor._left,  # noqa: SLF001
    Key.RIGHT: LineEditor._right,  # noqa: SLF001
    Key.UP: LineEditor._up,  # noqa: SLF001
    Key.DOWN: LineEditor._down,  # noqa: SLF001
    Key.DELETE: LineEditor._delete,  # noqa: SLF001
    Key.BACKSPACE: LineEditor._backspace,  # noqa: SLF001
    Key.TAB: LineEditor._tab,  # noqa: SLF001
    Key.CUT_END: LineEditor._cut_end,  # noqa: SLF001
    Key.CUT_START: LineEditor._cut_start,  # noqa: SLF001
    Key.CUT_WORD: LineEditor._cut_word,  # noqa: SLF001
    Key.SEARCH: LineEditor._begin_search,  # noqa: SLF001
    Key.REDRAW: LineEditor._redraw,  # noqa: SLF001
}


class _Search:
    """A search backwards through the history, while its text is typed."""

    def __init__(self, index: int) -> None:
        self.index = index  # of the line that was found, or where to begin
        self.text = ""
        self.line = ""
        self.is_found = True

    def find(self, history: History, before: int) -> None:
        found = history.search(self.text, before) if self.text else None
        self.is_found = found is not None or not self.text
        if found is not None:
            self.index = found
            self.line = history[found]
        elif not self.text:
            self.index = len(history)
            self.line = ""


def encode_text(text: str) -> bytes:
    """Return a text as a terminal gets it: its lines end with CR LF."""
    return text.replace("\n", "\r\n").encode(errors="surrogateescape")


def common_start(words: Sequence[str]) -> str:
    """Return what all words begin with."""
    first, last = min(words), max(words)
    for at, (one, other) in enumerate(zip(first, last, strict=False)):
        if one != other:
            return first[:at]
    return first


def columns(words: Sequence[str]) -> str:
    """Return words laid out in columns, as QEMU does."""
    longest = max(map(len, words), default=0)
    width = min(max(longest + 2, NARROWEST_COLUMN), SCREEN_WIDTH)
    per_line = SCREEN_WIDTH // width
    rows = [words[i : i + per_line] for i in range(0, len(words), per_line)]
    return "".join("".join(word.ljust(width) for word in row) + "\n" for row in rows)


def _size(text: str) -> int:
    if text.isascii():
        return len(text)
    return len(text.encode(errors="surrogateescape"))
