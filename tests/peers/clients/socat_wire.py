"""socat and jq: what goes over the wire, as a shell script sees it."""

import json
import subprocess
from typing import Any

from tests.peers.clients.playing import SECONDS, Note, Place, Script

NEGOTIATE = b'{"execute": "qmp_capabilities"}\n'
LAST = b'\n{"execute": "query-name", "id": "last"}\n'
script = Script()


def said(place: Place, *chunks: bytes) -> list[bytes]:
    """Send chunks, one write each; return the lines that come, the greeting left out.

    A last command tells where the answers end.
    """
    with subprocess.Popen(
        ["socat", "-t", "10", "-", f"UNIX-CONNECT:{place.qmp}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as socat:
        assert socat.stdin is not None
        assert socat.stdout is not None
        lines = [socat.stdout.readline()]
        for chunk in (NEGOTIATE, *chunks, LAST):
            socat.stdin.write(chunk)
            socat.stdin.flush()
        while b'"last"' not in lines[-1] and lines[-1]:
            lines.append(socat.stdout.readline())
        socat.kill()
    return lines[2:-1]


def jq(lines: list[bytes], *arguments: str) -> list[str]:
    """Return what jq makes of lines."""
    return (
        subprocess.run(
            ["jq", *arguments],
            input=b"".join(lines),
            capture_output=True,
            timeout=SECONDS,
            check=True,
        )
        .stdout.decode()
        .splitlines()
    )


def as_values(lines: list[bytes]) -> list[Any]:
    """Return lines as JSON, without the times."""
    values = [json.loads(line) for line in lines]
    for value in values:
        value.pop("timestamp", None)
    return values


def answers(place: Place, note: Note, *chunks: bytes) -> None:
    """Note the answers, and whether each is a line that ends in CR LF."""
    lines = said(place, *chunks)
    note([line.endswith(b"\r\n") and line.count(b"\r") == 1 for line in lines])
    note(as_values(lines))


@script.scene
def greeting_and_ids(place: Place, note: Note) -> None:
    lines = said(place, b'{"execute": "query-name", "id": 1}\n')
    note(jq(lines, "-c", "--sort-keys", "."))
    note(jq(lines, "-r", ".return.name"))
    for text in (
        b'"text"',
        b"-1.5",
        b"null",
        b"[1, {}]",
        b'{"a": "\\u00e4"}',
        b"true",
        b"1e3",
        b"12345678901234567890",
        b'"\\u0001"',
        '"ä"'.encode(),
        b"0.1",
        b"100.0",
    ):
        command = b'{"execute": "query-name", "id": ' + text + b"}"
        answers(place, note, command)


@script.scene
def quotes_and_spaces(place: Place, note: Note) -> None:
    answers(place, note, b"{'execute': 'query-name'}")
    answers(place, note, b'  {\t"execute"\r\n:"query-name"  }')
    answers(
        place,
        note,
        b"{'execute': 'qom-list', 'arguments': {'path': \"/machine/peripheral\"}}",
    )


@script.scene
def split_and_joined(place: Place, note: Note) -> None:
    command = b'{"execute": "query-name", "id": "split"}'
    answers(place, note, *(bytes([byte]) for byte in command))
    answers(place, note, command * 5)
    answers(place, note, command + b'{"execute": "stop"}{"execute": "cont"}')


@script.scene
def junk(place: Place, note: Note) -> None:
    for bad in (
        *(b"junk", b"{]", b"[1, 2]", b"{}", b"1", b'"x"', b"\xff", b"{'execute': %p}"),
        *(
            b'{"execute": "query-name",}',
            b'{"execute": "x" "y"}',
            b"\x01",
            b"}",
            b"nul",
        ),
        *(b'{"execute": "query-name", "execute": "stop"}', b'{"a": 01}', b"[}", b"]"),
        *(b"'x", b'{"a\n": 1}', b"{1: 2}", b'{"a" 1}', b"-", b"1.", b"\\", b"tru"),
    ):
        note([bad.decode(errors="replace"), as_values(said(place, bad))])


@script.scene
def unicode(place: Place, note: Note) -> None:
    for text in ("ä€", "\U0001f600", "\\u20ac", "\\ud83d\\ude00", "\\ud83d", "\\u0000"):
        command = f'{{"execute": "{text}", "id": "{text}"}}'.encode()
        answers(place, note, command)


@script.scene
def large(place: Place, note: Note) -> None:
    long = b"x" * 200_000
    command = b'{"execute": "qom-list", "arguments": {"path": "/' + long + b'"}}'
    (line,) = said(place, command)
    note([len(line), line[:80].decode()])
    command = b'{"execute": "query-name", "id": "' + long + b'"}'
    (line,) = said(place, command)
    note(len(line))


@script.scene
def many(place: Place, note: Note) -> None:
    commands = [
        b'{"execute": "query-name", "id": %d}\n' % number for number in range(500)
    ]
    note(as_values(said(place, *commands)))


@script.scene
def events_and_errors(place: Place, note: Note) -> None:
    both = b'{"execute": "stop"}\n{"execute": "cont"}\n'
    answers(place, note, both)
    lines = said(place, b'{"execute": "stop"}', b'{"execute": "cont"}')
    note(sorted(jq(lines, "-c", "keys")))
    answers(
        place,
        note,
        b'{"execute": "nosuch"}',
        b'{"execute": "stop", "arguments": {"x": 1}}',
        b'{"execute": "qom-list"}',
        b'{"execute": "qom-list", "arguments": {"path": 1}}',
        b'{"execute": "device_del", "arguments": {"id": "none"}}',
        b'{"execute": "query-name", "extra": 1}',
        b'{"execute": "query-name", "arguments": null}',
    )


@script.scene
def nodes(place: Place, note: Note) -> None:
    answers(
        place,
        note,
        b'{"execute": "blockdev-add", "arguments":'
        b' {"driver": "null-co", "node-name": "s0", "size": 512}}',
        b'{"execute": "blockdev-del", "arguments": {"node-name": "s0"}}',
        b'{"execute": "blockdev-del", "arguments": {"node-name": "s0"}}',
        b'{"execute": "qom-list-types", "arguments": {"implements": "iothread"}}',
    )


script.play()
