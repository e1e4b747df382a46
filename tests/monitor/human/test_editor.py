"""The line editor: what it sends to the terminal, byte for byte, and its lines.

How it rewrites a line was observed on QEMU 0.13.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmpx.monitor.human.editor import (
    INTERRUPTED,
    MAX_COMPLETIONS,
    MAX_LINE,
    MAX_OUTPUT,
    Completions,
    Interrupted,
    LineEditor,
    columns,
    common_start,
)
from qmpx.monitor.recall import History

L, R, K = "\x1b[D", "\x1b[C", "\x1b[K"
UP, DOWN, RIGHT, LEFT = b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D"

WORDS = ("info", "stop", "stopcapture", "system_reset", "system_powerdown")


def complete(line: str) -> Completions:
    """Complete the last word of a line."""
    word = line.rpartition(" ")[2]
    return Completions(len(word), [w for w in WORDS if w.startswith(word)])


class Typist:
    """An editor, and all that it said."""

    def __init__(self, *remembered: str) -> None:
        history = History()
        for line in remembered:
            history.add(line)
        self.editor = LineEditor(history, complete)
        self.lines: list[str | Interrupted] = []
        self.output = b""
        self.editor.start("(qemu) ")
        self._take()

    def type(self, data: bytes) -> str:
        """Type something; return what was said since the last time."""
        before = len(self.output)
        self.editor.feed(data)
        while self.editor.has_input:
            line = self.editor.edit()
            self._take()
            if line is not None:
                self.lines.append(line)
                self.editor.start("(qemu) ")
                self._take()
        return self.output[before:].decode(errors="surrogateescape")

    def _take(self) -> None:
        self.output += self.editor.take_output()


def screen(output: bytes) -> tuple[list[str], int]:
    """Return what a terminal shows after *output*: its lines, and the column."""
    lines, at = [""], 0
    text = output.decode(errors="surrogateescape")
    for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[^\x1b]", text):
        line = lines[-1]
        match part:
            case "\x1b[D":
                at = max(at - 1, 0)
            case "\x1b[C":
                at += 1
            case "\x1b[K":
                lines[-1] = line[:at]
            case "\x1b[H" | "\x1b[2J":
                lines, at = [""], 0
            case "\r":
                at = 0
            case "\n":
                lines.append("")
            case _:
                lines[-1] = line[:at].ljust(at) + part + line[at + 1 :]
                at += 1
    return lines, at


def test_it_begins_with_its_prompt() -> None:
    assert Typist().output == b"(qemu) "


def test_each_character_rewrites_the_line() -> None:
    said = Typist().type(b"stop\n")
    assert said == (f"s{K}{L}st{K}{L}{L}sto{K}{L}{L}{L}stop{K}\r\n(qemu) ")


def test_a_line_end_of_either_kind_ends_a_line() -> None:
    typist = Typist()
    assert typist.type(b"a\rb\n\r\n") == (
        f"a{K}\r\n(qemu) b{K}\r\n(qemu) \r\n(qemu) \r\n(qemu) "
    )
    assert typist.lines == ["a", "b", "", ""]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (LEFT, L),
        (LEFT * 4, L * 3),
        (LEFT + RIGHT, L + R),
        (RIGHT, ""),
        (b"\x01", L * 3),
        (b"\x01\x05", L * 3 + R * 3),
        (b"\x01\x06\x02", L * 3 + R + L),
        (b"\x1b[H", L * 3),
        (b"\x1b[1~\x1b[4~", L * 3 + R * 3),
        (b"\x7f", f"{L * 3}ab{K}"),
        (b"\x08\x08", f"{L * 3}ab{K}{L * 2}a{K}"),
        (b"\x01\x7f", L * 3),
        (LEFT + b"\x7f", f"{L}{L * 2}ac{K}{L}"),
        (b"\x01\x04", f"{L * 3}bc{K}{L * 2}"),
        (b"\x01\x1b[3~", f"{L * 3}bc{K}{L * 2}"),
        (b"\x04", ""),
        (LEFT + b"x", f"{L}{L * 2}abxc{K}{L}"),
        (b"\x02\x02\x0b", f"{L}{L}{L}a{K}"),
        (b"\x02\x15", f"{L}{L * 2}c{K}{L}"),
        (b"\x15", f"{L * 3}{K}"),
        (b"\x17", f"{L * 3}{K}"),
        (b"\x0c", "\x1b[H\x1b[2J(qemu) abc" + K),
        (b"\x02\x0c", L + "\x1b[H\x1b[2J(qemu) abc" + K + L),
        (b"\x00\x1a\x1bx\x1b[5~", ""),
    ],
)
def test_keys_change_the_line_abc(data: bytes, said: str) -> None:
    typist = Typist()
    typist.type(b"abc")
    assert typist.type(data) == said


@pytest.mark.parametrize(
    ("line", "data", "left"),
    [
        (b"a b", b"\x17", "a "),
        (b"a b  ", b"\x17", "a "),
        (b"a bb cc", b"\x02\x02\x17", "a cc"),
        (b"   ", b"\x17", ""),
        (b"", b"\x17", ""),
        (b"a b", b"\x17\x17\x17", ""),
        ("é€".encode(), b"\x7f", "é"),
        ("é€".encode(), b"\x02\x7f", "€"),
        ("é€".encode(), b"\x02\x04x", "éx"),
        (b"abc", b"\x01\x04\x05d", "bcd"),
        (b"abc", b"\x1b[1~x\x1b[4~y", "xabcy"),
    ],
)
def test_what_is_left_of_a_line(line: bytes, data: bytes, left: str) -> None:
    typist = Typist()
    typist.type(line + data + b"\r")
    assert typist.lines == [left]


def test_a_character_of_several_bytes_is_shown_when_it_is_whole() -> None:
    typist = Typist()
    assert typist.type(b"\xc3") == ""
    assert typist.type(b"\xa9") == f"é{K}"
    assert typist.type(b"x") == f"{L}éx{K}"


# The history.


def test_arrows_recall_lines() -> None:
    typist = Typist("stop", "cont")
    assert typist.type(UP) == f"cont{K}"
    assert typist.type(UP) == f"{L * 4}stop{K}"
    assert typist.type(UP) == ""
    assert typist.type(DOWN) == f"{L * 4}cont{K}"
    assert typist.type(DOWN) == f"{L * 4}{K}"
    assert typist.type(DOWN) == ""


def test_control_p_and_n_recall_lines_too() -> None:
    typist = Typist("stop", "cont")
    typist.type(b"\x10\x10\x0e\r")
    assert typist.lines == ["cont"]


def test_without_lines_there_is_none_to_recall() -> None:
    assert Typist().type(UP + DOWN) == ""


def test_a_recalled_line_can_be_changed_and_both_are_kept() -> None:
    typist = Typist("stop", "cont")
    typist.type(UP + UP + b"x\r")
    assert typist.lines == ["stopx"]
    assert list(typist.editor.history) == ["stop", "cont", "stopx"]


def test_a_recalled_line_that_is_entered_becomes_the_newest() -> None:
    typist = Typist("stop", "cont")
    typist.type(UP + UP + b"\r")
    assert list(typist.editor.history) == ["cont", "stop"]
    assert typist.type(UP) == f"stop{K}"


def test_lines_that_another_session_entered_can_be_recalled() -> None:
    typist = Typist("stop")
    typist.type(UP)
    for number in range(100):
        typist.editor.history.add(str(number))
    typist.type(UP + UP + DOWN + b"\r")
    assert len(typist.lines) == 1


# The search.


def shows(typist: Typist) -> str:
    """Return the last line that the terminal shows."""
    return screen(typist.output)[0][-1]


def test_a_search_finds_the_newest_line_then_older_ones() -> None:
    typist = Typist("info block", "stop", "info cpus", "cont")
    typist.type(b"\x12")
    assert shows(typist) == "(reverse-i-search)`': "
    typist.type(b"in")
    assert shows(typist) == "(reverse-i-search)`in': info cpus"
    typist.type(b"\x12")
    assert shows(typist) == "(reverse-i-search)`in': info block"
    typist.type(b"\x12")
    assert shows(typist) == "(failed reverse-i-search)`in': info block"
    typist.type(b"\x7f\x7f")
    assert shows(typist) == "(reverse-i-search)`': "
    typist.type(b"st")
    assert shows(typist) == "(reverse-i-search)`st': stop"
    typist.type(b"\r")
    assert typist.lines == ["stop"]
    assert screen(typist.output)[0][-2:] == ["(qemu) stop", "(qemu) "]


def test_what_was_found_can_be_edited() -> None:
    typist = Typist("info block", "stop")
    typist.type(b"\x12bl\x01x")
    assert screen(typist.output) == (["(qemu) xinfo block"], 8)
    typist.type(b"\r")
    assert typist.lines == ["xinfo block"]


@pytest.mark.parametrize("key", [b"\x07", b"\x12\x07"])
def test_a_search_that_is_given_up_leaves_the_line_as_it_was(key: bytes) -> None:
    typist = Typist("info block")
    typist.type(b"abc\x12inf" + key)
    assert shows(typist) == "(qemu) abc"
    typist.type(b"\r")
    assert typist.lines == ["abc"]


def test_a_search_that_finds_nothing_leaves_the_line_as_it_was() -> None:
    typist = Typist("info block")
    typist.type(b"abc\x12zzz")
    assert shows(typist) == "(failed reverse-i-search)`zzz': "
    typist.type(b"\r")
    assert typist.lines == ["abc"]


# Giving up.


def test_an_interrupt_gives_the_line_up() -> None:
    typist = Typist("stop")
    assert typist.type(b"abc\x03").endswith(f"abc{K}^C\r\n(qemu) ")
    assert typist.lines == [INTERRUPTED]
    assert list(typist.editor.history) == ["stop"]
    typist.type(b"\r")
    assert typist.lines == [INTERRUPTED, ""]


def test_an_interrupt_ends_a_search_too() -> None:
    typist = Typist("stop")
    typist.type(b"abc\x12st\x03x\r")
    assert typist.lines == [INTERRUPTED, "x"]


# Passwords.


def test_a_password_is_shown_as_stars_and_not_remembered() -> None:
    editor = LineEditor(History(), complete)
    editor.history.add("stop")
    editor.start("Password: ", is_hidden=True)
    editor.feed(b"ab\t" + UP + b"\x12c\r")
    assert editor.edit() == "abc"
    assert editor.take_output().decode() == (f"Password: *{K}{L}**{K}{L * 2}***{K}\r\n")
    assert list(editor.history) == ["stop"]


# Completion.


def test_a_word_that_can_go_on_in_one_way_is_completed() -> None:
    assert Typist().type(b"inf\t").endswith(f"{L * 3}info {K}")


def test_a_folder_is_completed_without_a_space() -> None:
    editor = LineEditor(History(), lambda _: Completions(1, ["/etc/"]))
    editor.feed(b"/\t")
    assert editor.edit() is None
    assert editor.take_output().decode() == f"/{K}{L}/etc/{K}"


def test_a_word_that_can_go_on_in_no_way_stays() -> None:
    typist = Typist()
    typist.type(b"x")
    assert typist.type(b"\t") == ""


def test_several_ways_are_shown_in_columns_and_what_they_share_is_typed() -> None:
    typist = Typist()
    typist.type(b"sy")
    assert typist.type(b"\t") == (
        "\r\nsystem_reset      system_powerdown  \r\n(qemu) system_" + K
    )


def test_a_word_in_the_middle_is_completed_there() -> None:
    typist = Typist()
    typist.type(b"x y" + LEFT + LEFT + b"\x7f")
    typist.type(b"inf\t\r")
    assert typist.lines == ["info  y"]


def test_no_more_ways_are_shown_than_qemu_shows() -> None:
    words = [f"w{number:03}" for number in range(MAX_COMPLETIONS + 9)]
    editor = LineEditor(History(), lambda _: Completions(0, words))
    editor.feed(b"\t")
    editor.edit()
    said = editor.take_output().decode()
    assert words[MAX_COMPLETIONS - 1] in said
    assert words[MAX_COMPLETIONS] not in said


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["a", "b"], "a         b         \n"),
        (["abcdefgh", "b"], "abcdefgh  b         \n"),
        (["abcdefghi", "b"], "abcdefghi  b          \n"),
        (
            list("abcdefghi"),
            "".join(f"{c:10}" for c in "abcdefgh") + "\ni         \n",
        ),
        (["a" * 50, "b"], "a" * 50 + "  \n" + "b" + " " * 51 + "\n"),
        (["a" * 90, "b"], "a" * 90 + "\n" + "b" + " " * 79 + "\n"),
    ],
)
def test_columns_are_laid_out_as_qemu_does(words: list[str], text: str) -> None:
    assert columns(words) == text


@pytest.mark.parametrize(
    ("words", "start"),
    [
        (["abc", "abd"], "ab"),
        (["abc", "abc"], "abc"),
        (["ab", "abc"], "ab"),
        (["x", "abc"], ""),
        (["b", "ab", "abc"], ""),
    ],
)
def test_words_begin_with(words: list[str], start: str) -> None:
    assert common_start(words) == start


# Bounds.


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"x" * (MAX_LINE - 1) + b"yzz\x01z\r", "x" * (MAX_LINE - 1) + "y"),
        (b"x" * (MAX_LINE - 1) + "éy".encode() + b"\r", "x" * (MAX_LINE - 1) + "y"),
    ],
)
def test_a_line_takes_no_more_than_it_may(data: bytes, line: str) -> None:
    editor = LineEditor(History())
    editor.feed(data)
    while (entered := editor.edit()) is None:
        editor.take_output()
    assert entered == line


def test_it_stops_when_much_is_to_be_sent_and_goes_on_then() -> None:
    editor = LineEditor(History())
    editor.feed(b"x" * 400 + b"\r")
    assert editor.edit() is None
    assert MAX_OUTPUT <= len(editor.take_output()) < MAX_OUTPUT + 4 * 400 + 3
    assert editor.has_input
    while (line := editor.edit()) is None:
        editor.take_output()
    assert line == "x" * 400
    assert not editor.has_input


# However it is cut.

KEYS = st.lists(
    st.sampled_from(
        [
            *(bytes([byte]) for byte in range(1, 32)),
            *b"abc ".decode(),
            UP,
            DOWN,
            LEFT,
            RIGHT,
            b"\x1b[H",
            b"\x1bOF",
            b"\x1b[3~",
            b"\x7f",
            "é".encode(),
            "€".encode(),
            b"\xff",
            b"st\t",
            b"inf\t",
        ]
    ).map(lambda key: key if isinstance(key, bytes) else key.encode()),
    max_size=40,
).map(b"".join)


@pytest.mark.slow
@given(KEYS, st.data())
def test_however_input_is_cut_the_output_is_the_same(
    data: bytes, cuts: st.DataObject
) -> None:
    whole = Typist("stop", "info block")
    whole.type(data)
    places = cuts.draw(st.lists(st.integers(0, len(data)), max_size=8).map(sorted))
    cut = Typist("stop", "info block")
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        cut.type(data[start:end])
    assert (cut.output, cut.lines) == (whole.output, whole.lines)


@pytest.mark.slow
@settings(max_examples=300)
@given(KEYS.filter(lambda data: b"\x12" not in data))
def test_the_terminal_shows_the_line_and_the_cursor(data: bytes) -> None:
    typist = Typist("stop", "info block")
    typist.type(data)
    lines, at = screen(typist.output)
    typist.type(b"\x12\x07")  # the same, drawn anew
    anew, at_anew = screen(typist.output)
    assert (anew[-1], at_anew) == (lines[-1], at)
    before = len(typist.lines)
    typist.type(b"\r")
    if len(typist.lines) > before:  # an unfinished key sequence may swallow it
        line = typist.lines[-1]
        assert isinstance(line, str)
        assert lines[-1] == "(qemu) " + line
