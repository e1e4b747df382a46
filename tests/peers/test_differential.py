"""The same bytes to a real QEMU and to ``qmpx serve``: they answer alike.

Replies are compared as JSON, and as bytes but for the order of members, which is a hash
table's in QEMU. Events are compared without their timestamps.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.conftest import running_qemu
from tests.programs import serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

NEGOTIATE = b'{"execute": "qmp_capabilities"}'
ENABLE_OOB = b'{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}'

# The byte resets the parser, whatever came before, and is an error on either side. The
# reply to the command behind it is the last one.
END = b'\n\xff\n{"execute": "query-name", "id": "the end"}\n'

Q = b'{"execute": "query-name", "id": %b}'
E = b'{"execute": "eject", "arguments": %b}'
O = b'{"execute": "object-add", "arguments": {"qom-type": %b}}'  # noqa: E741

FRESH = [  # before negotiation
    b"",
    b'{"execute": "query-status"}',
    b'{"execute": "nothing", "id": 7}',
    b'{"exec-oob": "query-yank"}',
    b'{"execute": "qmp_capabilities", "arguments": {"enable": []}}',
    b'{"execute": "qmp_capabilities", "arguments": {"enable": ["fast"]}}',
    b'{"execute": "qmp_capabilities", "arguments": {"enable": "oob"}}',
    b'{"execute": "qmp_capabilities", "arguments": {"enable": [["oob"]]}}',
    b'{"execute": "qmp_capabilities", "arguments": {"oob": true}}',
    b'{"execute": "qmp_capabilities", "control": 1}',
    b'{"arguments": {}} {"execute": "qmp_capabilities"}{"execute": "query-status"}',
    b"[] 1 {}",
]

READY = [  # after negotiation; the machine is one and the same for all of them
    # framing
    b'{"execute":"query-status"}{"execute":"query-status"}',
    b'  {\n\t"execute"\r\n:"query-status"}\r\n\r\n',
    b'{"execute":\n"query-status"\n,"id"\n:\n[\n]\n}',
    b'{"execute": "query-status"',
    b'{"execute": "query-status", "id": "never closed}',
    b'{"execute": "query-status"}}',
    b'{"execute": "query-status"]',
    b'}{"execute": "query-status"}',
    b"{]{]",
    b"[{]}]",
    b"((()))",
    b"\x00\x01\x1b[A",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\xef\xbb\xbf" + Q % b"1",
    b"\xff\xfe\xff",
    b"\x7f" + Q % b"1",
    "\N{NO-BREAK SPACE}".encode() + Q % b"1",
    b'// comment\n{"execute": "query-status"}',
    b'# comment\n{"execute": "query-status"}',
    b'{"execute": "query-status",}',
    b'{"execute" "query-status"}',
    b'{"execute"; "query-status"}',
    b"{execute: 'query-status'}",
    b'{"execute": query-status}',
    b'{,"execute": "query-status"}',
    b'{"a": 1, "a": 2, "b": [}',
    b'"execute" null true -1 1.5 [1, 2] ',
    # ids
    *(
        Q % each
        for each in (
            b"null",
            b"false",
            b'""',
            b"'single \\' \\\" quotes'",
            b"[[], {}, [{}]]",
            b'{"a": {"b": [null, {"c": -1}]}}',
            b"0",
            b"-0",
            b"-0.0",
            b"00",
            b"+1",
            b"1.",
            b".5",
            b"1e5",
            b"1E+2",
            b"1e-7",
            b"5e-324",
            b"1.7976931348623157e308",
            b"0.1",
            b"100.0",
            b"123456789012345678901234567890",
            b"9223372036854775807",
            b"9223372036854775808",
            b"18446744073709551615",
            b"18446744073709551616",
            b"-9223372036854775808",
            b"-9223372036854775809",
            b"1_000",
            b"0b1",
            b"True",
            b"nulL",
            b"NaN",
            b"-Infinity",
            b"undefined",
            b"%d",
            b'"%s%n"',
            b'"tab\\t nl\\n cr\\r bs\\b ff\\f quote\\" slash\\/ back\\\\"',
            b'"tab\tin it"',
            b'"newline\nin it"',
            b'"bell\\a"',
            b'"hex\\x41"',
            b'"\\u0041\\u00e9\\u20ac"',
            b'"\\u00e"',
            b'"\\uD834\\uDD1E"',
            b'"\\uDD1E\\uD834"',
            b'"\\uD834"',
            b'"\\uffff"',
            b'"\\u0000"',
            '"é€\N{MUSICAL SYMBOL G CLEF}"'.encode(),
            b'"\xe9"',
            b'"\xc3"',
            b'"\xed\xa0\xb4"',
            b'"\xf5\x80\x80\x80"',
            b'"\xc0\xaf"',
            b'"\x7f"',
            b'"\\u007f\\u0080"',
            b'{"k": 1, "k": 1}',
            b'{"\\u006b": 1, "k": 1}',
            b"{1: 2}",
            b"[" * 50 + b"]" * 50,
            b'"' + b"x" * 5000 + b'"',
        )
    ),
    # the command itself
    b"{}",
    b"[]",
    b'[{"execute": "query-status"}]',
    b'{"execute": ""}',
    b'{"execute": "Query-Status"}',
    b'{"execute": " query-status"}',
    b'{"execute": "query-status\\u0000"}',
    b'{"execute": "no \\"such\\" \\u20ac thing"}',
    b'{"execute": null}',
    b'{"execute": {"query-status": {}}}',
    b'{"execute": "query-status", "exec-oob": "query-status"}',
    b'{"exec-oob": "query-yank"}',
    b'{"id": 1}',
    b'{"jsonrpc": "2.0", "id": 1}',
    b'{"return": {}, "id": 1}',
    b'{"execute": "qmp_capabilities"}',
    b'{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}, "id": 2}',
    # arguments
    b'{"execute": "query-status", "arguments": {}}',
    b'{"execute": "query-status", "arguments": null}',
    b'{"execute": "query-status", "arguments": []}',
    b'{"execute": "query-status", "arguments": "{}"}',
    b'{"execute": "query-status", "arguments": {"a": 1}}',
    b'{"execute": "nothing", "arguments": 1}',
    E % b"{}",
    E % b'{"device": "no-such"}',
    E % b'{"device": "\\u00fc \\u0007"}',
    E % b'{"id": "no-such"}',
    E % b'{"device": "a", "id": "b"}',
    E % b'{"device": null}',
    E % b'{"device": "a", "force": 1}',
    E % b'{"device": "a", "force": "on"}',
    E % b'{"device": ["a"], "force": 1}',
    E % b'{"device": "a", "Force": true}',
    b'{"execute": "block_resize", "arguments": {}}',
    b'{"execute": "block_resize", "arguments": {"size": 1}}',
    b'{"execute": "block_resize", "arguments": {"device": "a", "size": 1.0}}',
    b'{"execute": "block_resize", "arguments": {"node-name": "n", "size": -1}}',
    b'{"execute": "block_resize", "arguments": {"device": "a", "size": 1e3}}',
    b'{"execute": "blockdev-open-tray", "arguments": {"id": "a"}}',
    b'{"execute": "blockdev-close-tray", "arguments": {}}',
    b'{"execute": "device_del"}',
    b'{"execute": "device_del", "arguments": {"id": "\\u0000"}}',
    b'{"execute": "set_link", "arguments": {"name": "n", "up": "yes"}}',
    b'{"execute": "set_link", "arguments": {"name": "n", "up": true}}',
    b'{"execute": "balloon", "arguments": {"value": 1048576}}',
    b'{"execute": "query-balloon"}',
    b'{"execute": "yank", "arguments": {"instances": []}}',
    b'{"execute": "yank", "arguments": {"instances": [{"type": "migration"}]}}',
    b'{"execute": "yank", "arguments": {"instances": [{"type": "x"}]}}',
    b'{"execute": "yank", "arguments": {"instances": [{"type": "chardev"}]}}',
    b'{"execute": "yank", "arguments": {"instances": [{"id": "a"}]}}',
    b'{"execute": "yank", "arguments": {"instances": [{"type": "migration", "b": 1}]}}',
    b'{"execute": "migrate-pause"}',
    b'{"execute": "getfd", "arguments": {"fdname": "f"}}',
    b'{"execute": "getfd"}',
    b'{"execute": "closefd", "arguments": {"fdname": "f"}}',
    b'{"execute": "add-fd"}',
    b'{"execute": "add-fd", "arguments": {"fdset-id": "1"}}',
    b'{"execute": "remove-fd", "arguments": {"fdset-id": 5}}',
    b'{"execute": "remove-fd", "arguments": {"fdset-id": 5, "fd": 6}}',
    b'{"execute": "query-fdsets"}',
    b'{"execute": "object-add"}',
    b'{"execute": "object-add", "arguments": {"id": "a"}}',
    b'{"execute": "object-add", "arguments": {"id": "a", "qom-type": 1}}',
    O % b'"nothing", "id": "a"',
    O % b'"iothread"',
    O % b'"iothread", "id": "1a"',
    O % b'"iothread", "id": "a b"',
    O % b'"iothread", "id": "a", "poll-max-ns": "1"',
    O % b'"iothread", "id": "a", "poll-max-ns": -5',
    O % b'"secret", "id": "a"',
    O % b'"secret", "id": "a", "data": "x", "file": "/dev/null"',
    O % b'"secret", "id": "a", "file": "/nowhere/\\u00fc"',
    O % b'"secret", "id": "a", "file": "/"',
    O % b'"secret", "id": "a", "data": "x", "format": "hex"',
    O % b'"secret", "id": "a", "file": "/dev/null", "format": "base64"'
    + b'{"execute": "object-del", "arguments": {"id": "a"}}',
    O % b'"secret", "id": "a", "data": "?", "format": "base64"',
    O % b'"secret", "id": "a", "data": "a\\u0000b=", "format": "base64"',
    O % b'"secret", "id": "a", "data": "aGk=\\n", "format": "base64"'
    + b'{"execute": "object-del", "arguments": {"id": "a"}}',
    O % b'"secret", "id": "a", "data": "x", "extra": 1',
    O % b'"secret", "id": "a", "data": "x"' * 2
    + b'{"execute": "object-del", "arguments": {"id": "a"}}' * 2,
    O % b'"memory-backend-ram", "id": "m"',
    O % b'"memory-backend-ram", "id": "m", "size": 0',
    O % b'"memory-backend-ram", "id": "m", "size": "4096"',
    O % b'"memory-backend-ram", "id": "m", "size": 1.5',
    b'{"execute": "object-del", "arguments": {"id": "nothing"}}',
    # what it is
    b'{"execute": "query-uuid"}{"execute": "query-target"}{"execute": "query-fdsets"}',
    b'{"execute": "query-iothreads"}',
    # what happens to it: the events, too
    b'{"execute": "stop"}{"execute": "query-status"}',
    b'{"execute": "cont", "id": 1}{"execute": "cont", "id": 2}',
    b'{"execute": "query-status"}{"execute": "stop"}{"execute": "query-status"}',
    b'{"execute": "system_powerdown"}{"execute": "system_reset"}',
    b'{"execute": "query-status"}{"execute": "stop"}',
    b'{"execute": "cont"}{"execute": "system_reset"}{"execute": "query-status"}',
    b'{"execute": "stop"}{"execute": "stop"}',
]

OUT_OF_BAND = [  # with the capability enabled
    b'{"exec-oob": "query-name"}',
    b'{"exec-oob": "query-name", "arguments": {"a": 1}, "id": 1}',
    b'{"exec-oob": "nothing"}',
    b'{"exec-oob": null}',
    b'{"exec-oob": "qmp_capabilities"}',
    b'{"exec-oob": "migrate-pause", "id": "\\u20ac"}',
    b'{"exec-oob": "migrate-pause", "arguments": {"a": 1}}',
    b'{"exec-oob": "yank", "arguments": {"instances": [{"type": "migration"}]}}',
    b'{"exec-oob": "yank"}',
    b'{"execute": "query-name", "exec-oob": 1}',
]

ROWS = [
    *((b"", row) for row in FRESH),
    *((NEGOTIATE, row) for row in READY),
    *((ENABLE_OOB, row) for row in OUT_OF_BAND),
]


def answers(path: Path, begin: bytes, row: bytes) -> list[bytes]:
    """Send a row on a connection of its own; return all lines that come back."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        with client.makefile("rb") as lines:
            heard = [lines.readline()]  # QEMU may hang if spoken to before it greets
            if begin:
                client.sendall(begin)
                heard.append(lines.readline())
            client.sendall(row + END)
            while b'"the end"' not in heard[-1]:
                heard.append(lines.readline())
                assert heard[-1], heard
    return heard


@pytest.fixture(scope="module")
def both() -> list[tuple[list[bytes], list[bytes]]]:
    """Play all rows, in order, to one machine of either kind."""
    with running_qemu([], 1, "off") as machine, serving("-S", "--no-async") as server:
        return [
            (
                answers(machine.qmp, *row),
                answers(server.path, *row),
            )
            for row in ROWS
        ]


def read(line: bytes) -> tuple[Any, bytes]:
    """Return a message, and its bytes but for their order, as far as both are fixed."""
    assert line.isascii()
    assert line.endswith(b"}\r\n")
    message = json.loads(line, parse_float=str, parse_int=str)
    if "QMP" in message:
        message["QMP"]["version"] = ...
        return message, b""
    if "event" in message:
        message["timestamp"] = sorted(message["timestamp"])
        return message, b""
    return message, bytes(sorted(line))


def name(number: int) -> str:
    """Return a test's name, which has to do without odd characters."""
    text = ROWS[number][1].decode("ascii", "replace")[:60]
    return f"{number}-{text.encode('unicode_escape').decode()}"


@pytest.mark.parametrize("number", range(len(ROWS)), ids=name)
def test_they_answer_alike(
    both: list[tuple[list[bytes], list[bytes]]], number: int
) -> None:
    theirs, ours = both[number]
    assert [read(line)[0] for line in ours] == [read(line)[0] for line in theirs]
    assert [read(line)[1] for line in ours] == [read(line)[1] for line in theirs]


def test_there_are_rows_enough() -> None:
    assert len(set(ROWS)) == len(ROWS) >= 80
