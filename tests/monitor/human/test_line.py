"""Lines: which command they name and with which arguments, or what is said instead."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.monitor.human import CommandTable, Format, parse_args_type
from qmpx.monitor.human.expression import LineError
from qmpx.monitor.human.line import MAX_COUNT, MAX_NAME, CommandLine, read_line
from qmpx.monitor.human.words import MAX_STRING, clip, read_word
from qmpx.monitor.recall import FormatMemory

# The args_types of 2010 that differ from one another.
ARGS_TYPES = {
    "help|?": "name:s?",
    "stop": "",
    "eject": "force:-f,device:B",
    "change": "device:B,target:F,arg:s?",
    "screendump": "filename:F",
    "cpu": "index:i",
    "x": "fmt:/,addr:l",
    "p|print": "fmt:/,val:l",
    "i": "fmt:/,addr:i,index:i.",
    "sendkey": "string:s,hold_time:i?",
    "device_add": "device:O",
    "netdev_add": "netdev:O",
    "migrate": "detach:-d,blk:-b,inc:-i,uri:s",
    "migrate_set_speed": "value:f",
    "migrate_set_downtime": "value:T",
    "balloon": "value:M",
    "set_link": "name:s,up:b",
    "wavcapture": "path:F,freq:i?,bits:i?,nchannels:i?",
    "host_net_add": "device:s,opts:s?",
    "wait": "seconds:f?",
    "nap": "seconds:T?",
}


def table() -> CommandTable:
    """Return commands that do nothing, with the args_types of 2010."""
    commands = CommandTable()
    for name, args_type in ARGS_TYPES.items():

        def handler(**_: object) -> None: ...

        handler.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(
                    p.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=None if p.is_optional else inspect.Parameter.empty,
                )
                for p in parse_args_type(args_type)
            ]
        )
        commands.human(name, args_type, help="does nothing")(handler)
    return commands


TABLE = table()


def read(line: str, memory: FormatMemory | None = None) -> tuple[str, dict[str, Any]]:
    """Read a line that names a command."""
    parsed = read_line(
        line, TABLE, memory or FormatMemory(), {"pc": 0xFFF0}.__getitem__
    )
    assert isinstance(parsed, CommandLine)
    return parsed.command.name, parsed.arguments


@pytest.mark.parametrize(
    ("line", "name", "arguments"),
    [
        ("stop", "stop", {}),
        ("  stop  ", "stop", {}),
        ("\tstop\v", "stop", {}),
        ("help", "help|?", {}),
        ("? stop", "help|?", {"name": "stop"}),
        ("help c|cont", "help|?", {"name": "c|cont"}),
        ("eject cd", "eject", {"device": "cd"}),
        ("eject -f cd", "eject", {"force": True, "device": "cd"}),
        ("eject    -f    cd", "eject", {"force": True, "device": "cd"}),
        ("eject -fcd", "eject", {"force": True, "device": "cd"}),
        ('eject "a b"', "eject", {"device": "a b"}),
        ('eject "-x"', "eject", {"device": "-x"}),
        (r'eject "\n\r\\\'\""', "eject", {"device": "\n\r\\'\""}),
        ('eject ""', "eject", {"device": ""}),
        ('eject a"b', "eject", {"device": 'a"b'}),
        ("eject ide0-é", "eject", {"device": "ide0-é"}),
        ("change vnc none", "change", {"device": "vnc", "target": "none"}),
        (
            "change vnc password secret",
            "change",
            {"device": "vnc", "target": "password", "arg": "secret"},
        ),
        ('change"cd""file"', "change", None),
        ("cpu 1", "cpu", {"index": 1}),
        ("cpu 2*(1+1)", "cpu", {"index": 4}),
        ("cpu $pc", "cpu", {"index": 0xFFF0}),
        ("cpu 0xffffffff", "cpu", {"index": 0xFFFFFFFF}),
        ("sendkey a", "sendkey", {"string": "a"}),
        (
            "sendkey ctrl-alt-f1 10",
            "sendkey",
            {"string": "ctrl-alt-f1", "hold_time": 10},
        ),
        ("device_add", "device_add", {"device": {}}),
        ("device_add e1000", "device_add", {"device": {"driver": "e1000"}}),
        (
            "device_add e1000,mac=1:2,multifunction",
            "device_add",
            {"device": {"driver": "e1000", "mac": "1:2", "multifunction": "on"}},
        ),
        ('device_add "?"', "device_add", {"device": {"driver": "?"}}),
        ("netdev_add user,id=n", "netdev_add", {"netdev": {"id": "n", "type": "user"}}),
        ("migrate tcp:0:1", "migrate", {"uri": "tcp:0:1"}),
        ("migrate -d tcp:0:1", "migrate", {"detach": True, "uri": "tcp:0:1"}),
        (
            "migrate -d -b -i tcp:0:1",
            "migrate",
            {"detach": True, "blk": True, "inc": True, "uri": "tcp:0:1"},
        ),
        ("migrate -b x", "migrate", {"blk": True, "uri": "x"}),
        ("migrate -i x", "migrate", {"inc": True, "uri": "x"}),
        ("migrate -i -d", "migrate", {"inc": True, "uri": "-d"}),
        ("migrate_set_speed 10", "migrate_set_speed", {"value": 10.0}),
        ("migrate_set_speed 1k", "migrate_set_speed", {"value": 1024.0}),
        ("migrate_set_speed 1.5K", "migrate_set_speed", {"value": 1536.0}),
        ("migrate_set_speed 10m", "migrate_set_speed", {"value": 10.0 * 2**20}),
        ("migrate_set_speed 10M", "migrate_set_speed", {"value": 10.0 * 2**20}),
        ("migrate_set_speed 2g", "migrate_set_speed", {"value": 2.0 * 2**30}),
        ("migrate_set_speed 2G", "migrate_set_speed", {"value": 2.0 * 2**30}),
        ("migrate_set_speed -1e3", "migrate_set_speed", {"value": -1000.0}),
        ("migrate_set_speed .5", "migrate_set_speed", {"value": 0.5}),
        ("migrate_set_speed 5.", "migrate_set_speed", {"value": 5.0}),
        ("migrate_set_speed 0x10", "migrate_set_speed", {"value": 16.0}),
        ("migrate_set_speed 0x1.8p1", "migrate_set_speed", {"value": 3.0}),
        ("migrate_set_downtime 30ms", "migrate_set_downtime", {"value": 30 / 1e3}),
        ("migrate_set_downtime 30us", "migrate_set_downtime", {"value": 30 / 1e6}),
        ("migrate_set_downtime 30ns", "migrate_set_downtime", {"value": 30 / 1e9}),
        ("migrate_set_downtime 1.5", "migrate_set_downtime", {"value": 1.5}),
        ("balloon 64", "balloon", {"value": 64 * 2**20}),
        ("balloon -1", "balloon", {"value": -(2**20)}),
        ("balloon 0x100000000000", "balloon", {"value": 0}),
        ("set_link foo on", "set_link", {"name": "foo", "up": True}),
        ("set_link foo off", "set_link", {"name": "foo", "up": False}),
        ("wavcapture a.wav", "wavcapture", {"path": "a.wav"}),
        (
            "wavcapture a.wav 8 16",
            "wavcapture",
            {"path": "a.wav", "freq": 8, "bits": 16},
        ),
        ("host_net_add user a=b c", "host_net_add", None),
        ("wait", "wait", {}),
        ("nap 1ms", "nap", {"seconds": 0.001}),
    ],
)
def test_a_line_says(line: str, name: str, arguments: dict[str, Any] | None) -> None:
    if arguments is None:
        with pytest.raises(LineError):
            read(line)
    else:
        assert read(line) == (name, arguments)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("foo", "unknown command: 'foo'"),
        ("Stop", "unknown command: 'Stop'"),
        ("c|cont", "unknown command: 'c|cont'"),
        ("/x", "unknown command: ''"),
        ("foo/x", "unknown command: 'foo'"),
        ("x" * 300, f"unknown command: '{'x' * MAX_NAME}'"),
        ("stop extra", "stop: extraneous characters at the end of line"),
        ("stop/x", "stop: extraneous characters at the end of line"),
        ("p 1 2", "p: extraneous characters at the end of line"),
        ("print 08", "print: extraneous characters at the end of line"),
        ("set_link a on b", "set_link: extraneous characters at the end of line"),
        ("cpu", "unexpected end of expression"),
        ("cpu abc", "invalid char in expression"),
        ("cpu $sp", "unknown register"),
        ("cpu 99999999999", "'cpu' has failed: integer is for 32-bit values"),
        ("cpu 0x100000000", "'cpu' has failed: integer is for 32-bit values"),
        ("cpu -1", "'cpu' has failed: integer is for 32-bit values"),
        ("eject", "eject: block device name expected"),
        ("eject -f", "eject: block device name expected"),
        ("eject -x foo", "eject: unsupported option -x"),
        ("eject -", "eject: unsupported option -"),
        ("change", "change: block device name expected"),
        ("change cd", "change: filename expected"),
        ("screendump", "screendump: filename expected"),
        ("migrate", "migrate: string expected"),
        ("migrate -d", "migrate: string expected"),
        ("migrate -x", "migrate: unsupported option -x"),
        ("migrate -d -d x", "migrate: unsupported option -d"),
        ("set_link", "set_link: string expected"),
        ("set_link foo", "Expected 'on' or 'off'"),
        ("set_link foo maybe", "Expected 'on' or 'off'"),
        ("set_link foo ON", "Expected 'on' or 'off'"),
        ("migrate_set_speed", "Number expected"),
        ("migrate_set_speed k", "Number expected"),
        ("migrate_set_speed -", "Number expected"),
        ("migrate_set_speed 1q", "Unknown unit suffix"),
        ("migrate_set_speed 1kB", "Unknown unit suffix"),
        ("migrate_set_speed 1ms", "Unknown unit suffix"),
        ("migrate_set_speed 0x", "Unknown unit suffix"),
        ("migrate_set_speed 1_0", "Unknown unit suffix"),
        (
            "migrate_set_speed 1 k",
            "migrate_set_speed: extraneous characters at the end of line",
        ),
        ("migrate_set_speed inf", "Bad number"),
        ("migrate_set_speed -Infinity", "Bad number"),
        ("migrate_set_speed nan", "Bad number"),
        ("migrate_set_speed NaN(x)", "Bad number"),
        ("migrate_set_speed 1e999", "Bad number"),
        ("migrate_set_speed 0x1p9999", "Bad number"),
        ("migrate_set_downtime 1s", "Unknown unit suffix"),
        ("migrate_set_downtime 1k", "Unknown unit suffix"),
        ("migrate_set_downtime 1m", "Unknown unit suffix"),
        ("p/q 1", "invalid char in format: 'q'"),
        ("p/4z 1", "invalid char in format: 'z'"),
        ("p/x4 1", "invalid char in format: '4'"),
        ("p/x", "unexpected end of expression"),
        ("i/b", "unexpected end of expression"),
        ("i/b 1.", "unexpected end of expression"),
        ("i/b 1 2", "i: extraneous characters at the end of line"),
    ],
)
def test_a_line_is_refused_with(line: str, said: str) -> None:
    with pytest.raises(LineError) as caught:
        read(line)
    assert (caught.value.text, caught.value.reason) == (said, "")


@pytest.mark.parametrize(
    ("line", "said", "reason"),
    [
        ('eject "cd', "eject: block device name expected", "unterminated string"),
        ('eject "', "eject: block device name expected", "unterminated string"),
        (
            r'screendump "a\tb"',
            "screendump: filename expected",
            r"unsupported escape code: '\t'",
        ),
        ('migrate "\\', "migrate: string expected", r"unsupported escape code: '\'"),
        ('device_add "e1000', "", "unterminated string"),
    ],
)
def test_what_is_wrong_with_a_text_in_quotes_is_told_beside_it(
    line: str, said: str, reason: str
) -> None:
    with pytest.raises(LineError) as caught:
        read(line)
    assert (caught.value.text, caught.value.reason) == (said, reason)


@pytest.mark.parametrize("line", ["", " ", "\t \v"])
def test_a_blank_line_says_nothing(line: str) -> None:
    assert read_line(line, TABLE, FormatMemory()) is None


def test_without_a_machine_no_register_is_known() -> None:
    with pytest.raises(LineError, match="unknown register"):
        read_line("cpu $pc", TABLE, FormatMemory())


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("i 0x70", {"fmt": Format(1, "x", 4), "addr": 0x70}),
        ("i/b 0x70", {"fmt": Format(1, "x", 1), "addr": 0x70}),
        ("i/b 0x70.5", {"fmt": Format(1, "x", 1), "addr": 0x70, "index": 5}),
        ("i/b 0x70 . 5", {"fmt": Format(1, "x", 1), "addr": 0x70, "index": 5}),
        ("i /b 0x70", {"fmt": Format(1, "x", 1), "addr": 0x70}),
    ],
)
def test_a_dot_introduces_an_index(line: str, arguments: dict[str, Any]) -> None:
    assert read(line) == ("i", arguments)


@pytest.mark.parametrize(
    ("line", "fmt"),
    [
        ("p 1", Format(1, "x", 4)),
        ("p/d 1", Format(1, "d", 4)),
        ("p /d 1", Format(1, "d", 4)),
        ("p/ 1", Format(1, "x", 4)),
        ("p/4xw 1", Format(4, "x", 4)),
        ("p/2hx 1", Format(2, "x", 2)),
        ("p/0 1", Format(0, "x", 4)),
        ("p/16ob 1", Format(16, "o", 1)),
        ("p/g 1", Format(1, "x", 8)),
        ("p/Lu 1", Format(1, "u", 8)),
        ("p/xd 1", Format(1, "d", 4)),
        ("p/i 1", Format(1, "i", -1)),
        ("p/iw 1", Format(1, "i", 4)),
        ("p/99999999999 1", Format(MAX_COUNT, "x", 4)),
    ],
)
def test_a_format_is(line: str, fmt: Format) -> None:
    assert read(line)[1]["fmt"] == fmt


def test_what_a_format_does_not_say_is_as_it_was_the_last_time() -> None:
    memory = FormatMemory()
    lines = ["x/4xb 0", "x 0", "p 1", "p/c 97", "p 1", "p/w 1", "p/i 0", "p 0", "p/x 0"]
    formats = [read(line, memory)[1]["fmt"] for line in lines]
    assert formats == [
        Format(4, "x", 1),
        Format(1, "x", 1),
        Format(1, "x", 1),
        Format(1, "c", 1),
        Format(1, "c", 1),
        Format(1, "c", 4),
        Format(1, "i", -1),
        Format(1, "i", -1),
        Format(1, "x", 4),
    ]


def test_a_format_that_is_refused_changes_nothing() -> None:
    memory = FormatMemory()
    with pytest.raises(LineError):
        read("p/ob? 1", memory)
    assert memory == FormatMemory()


def test_long_words_are_cut_where_qemu_cuts_them() -> None:
    assert read("eject " + "d" * 2000)[1] == {"device": "d" * MAX_STRING}
    assert read('eject "' + "d" * 2000 + '"')[1] == {"device": "d" * MAX_STRING}


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("abc", 3, "abc"),
        ("abc", 2, "ab"),
        ("éé", 4, "éé"),
        ("éé", 2, "é"),
        ("éé", 3, "é\udcc3"),
    ],
)
def test_a_text_is_cut_by_bytes(text: str, most: int, kept: str) -> None:
    assert clip(text, most) == kept


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("  abc def", ("abc", 5, "")),
        ('"a b" c', ("a b", 5, "")),
        ('"a b', ("a b", 4, "unterminated string")),
    ],
)
def test_a_word_ends(line: str, word: tuple[str, int, str]) -> None:
    assert read_word(line, 0) == word


def test_behind_the_last_word_there_is_none() -> None:
    assert read_word("abc  ", 3) is None


@given(st.text(max_size=60))
def test_any_line_is_understood_or_refused(line: str) -> None:
    with contextlib.suppress(LineError):
        read_line(line, TABLE, FormatMemory())


@given(
    st.sampled_from([n for name in ARGS_TYPES for n in name.split("|")]),
    st.text("0123456789abdfghikmnosuwxz/.,=\"'\\-+*() ", max_size=30),
)
def test_whatever_follows_a_command_is_understood_or_refused(
    name: str, rest: str
) -> None:
    try:
        parsed = read_line(f"{name} {rest}", TABLE, FormatMemory())
    except LineError:
        return
    assert parsed is not None
    assert name in parsed.command.names
    required = {p.name for p in parsed.command.parameters if not p.is_optional}
    assert (
        required
        <= parsed.arguments.keys()
        <= {p.name for p in parsed.command.parameters}
    )
