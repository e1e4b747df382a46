"""Names that are to be read as others than they are decided on."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.gateway.attacks.conftest import Target

pytestmark = pytest.mark.slow

RUNNING = {"return": {"status": "running", "singlestep": False, "running": True}}

# What comes through is `stop`, which shows in the state of the machine.
DISGUISED = [
    # Keys that are there twice.
    b'{"execute": "query-name", "execute": "stop"}',
    b'{"execute": "stop", "execute": "query-name"}',
    b'{"execute": "query-name", "exec\\u0075te": "stop"}',
    b'{"execute": "query-name", "exec-oob": "stop"}',
    b'{"exec-oob": "query-name", "execute": "stop"}',
    # Escapes.
    b'{"execute": "st\\u006fp"}',
    b'{"\\u0065xecute": "stop"}',
    b'{"execute": "\\u0073\\u0074\\u006f\\u0070"}',
    b'{"execute": "stop\\u0000"}',
    b'{"execute": "stop\\u0000query-name"}',
    b'{"execute": "query-name\\u0000stop"}',
    b'{"execute": "query-name\\n{\\"execute\\": \\"stop\\"}"}',
    b'{"execute": "query-name\\r\\nstop"}',
    # Lookalikes, blanks, case.
    '{"execute": "st\N{CYRILLIC SMALL LETTER O}p"}'.encode(),
    '{"execute": "\N{FULLWIDTH LATIN SMALL LETTER S}top"}'.encode(),
    '{"execute": "stop\N{ZERO WIDTH SPACE}"}'.encode(),
    '{"execute": "\N{RIGHT-TO-LEFT OVERRIDE}pots"}'.encode(),
    b'{"execute": " stop"}',
    b'{"execute": "stop "}',
    b'{"execute": "STOP"}',
    b'{"execute": "stop", "execut\xc3\xa9": 1}',
    b'{"execute": "st\xedp"}',
    b'{"execute": "st\xc0\xafp"}',
    b'{"execute": "s\xed\xa0\x80top"}',
    b'{"execute": "\\ud800stop"}',
    # Places that are no place for a command.
    b'[{"execute": "stop"}]',
    b'{"execute": {"execute": "stop"}}',
    b'{"execute": ["stop"]}',
    b'{"arguments": {"execute": "stop"}, "execute": "query-name"}',
    b'{"execute": "query-name", "arguments": "{\\"execute\\": \\"stop\\"}"}',
    b'{"execute": "query-name", "id": "\\"}{\\"execute\\": \\"stop\\"}"}',
    b'{"execute": "query-name", "id": {"execute": "stop"}}',
    b"{'execute': 'stop'}",
    b'"execute" "stop"',
    b'{"return": {}, "execute": "stop"}',
    b'{"event": "STOP", "execute": "stop"}',
    b'{"QMP": {}, "execute": "stop", "error": {}}',
    # One command in another.
    b'{"execute": "human-monitor-command", "arguments": {"command-line": "stop"}}',
    (
        b'{"execute": "human-monitor-command", "arguments": '
        b'{"command-line": "info status\\nstop"}}'
    ),
    (
        b'{"execute": "human-monitor-command", "arguments": '
        b'{"command-line": "info status", "command-line": "stop"}}'
    ),
    (
        b'{"execute": "human-monitor-command", "arguments": '
        b'{"command-line": "info status", "command\\u002dline": "stop"}}'
    ),
    (
        b'{"execute": "human-monitor-command", "arguments": '
        b'{"command-line": "info status; stop"}}'
    ),
    (
        b'{"execute": "human-monitor-command", "arguments": '
        b'{"command-line": "info status\\u0000"}}'
    ),
    b'{"execute": "transaction", "arguments": {"actions": [{"type": "stop"}]}}',
    (
        b'{"execute": "transaction", "arguments": {"actions": [{"type": "abort", '
        b'"data": {}, "type": "blockdev-snapshot-sync"}]}}'
    ),
    (
        b'{"execute": "transaction", "arguments": {"actions": [], "actions": '
        b'[{"type": "blockdev-backup", "data": {}}]}}'
    ),
]


@pytest.mark.parametrize("way", ["low", "tcp"])
def test_no_disguise_makes_a_command_another_one(target: Target, way: str) -> None:
    is_tcp = way == "tcp"
    peer = target.connect_tcp(target.plain) if is_tcp else target.connect("low")
    with peer:
        peer.greeted()
        for data in DISGUISED:
            peer.send(data, {"execute": "query-status", "id": "last"})
            while (message := peer.receive()).get("id") != "last":
                harmless = message.get("return", {}) == {"name": "box"}
                assert harmless or "error" in message, (data, message)
            assert message == {**RUNNING, "id": "last"}, data


def nested(depth: int) -> dict[str, object]:
    """Return a transaction in a transaction, and so on."""
    action: dict[str, object] = {"type": "stop", "data": {}}
    for _ in range(depth):
        action = {"type": "transaction", "data": {"actions": [action]}}
    return {"execute": "transaction", "arguments": {"actions": [action]}}


@pytest.mark.parametrize("depth", [1, 5, 300])
def test_a_transaction_in_a_transaction_is_refused(target: Target, depth: int) -> None:
    since = len(target.audit())
    with target.connect("low") as peer:
        refused = peer.greeted().ask(nested(depth))
        assert "does not allow transaction here" in refused["error"]["desc"]
        assert peer.ask({"execute": "query-status"}) == RUNNING
    line = target.wait_for_audit(lambda it: it.get("command") == "transaction", since)
    assert line["kind"] == "refused"
    assert line["verdict"] == "deny"


def test_a_name_of_a_megabyte_is_refused_in_few_words_and_kept_nowhere(
    target: Target,
) -> None:
    with target.connect("low") as peer:
        peer.greeted()
        for number in range(20):
            name = "x" * (1 << 20) + str(number)
            refused = peer.ask({"execute": name})
            assert len(json.dumps(refused)) < 1000
    assert max(map(len, map(json.dumps, target.audit()))) < 1 << 16


def test_thousands_of_names_leave_nothing_behind(target: Target) -> None:
    with target.connect("low") as peer:
        peer.greeted()
        for first in range(0, 5000, 100):
            names = [f"name-{number}" for number in range(first, first + 100)]
            peer.send(*({"execute": name} for name in names))
            for _ in names:
                assert "error" in peer.reply()
    before = target.memory()
    with target.connect("low") as peer:
        peer.greeted()
        for number in itertools.islice(itertools.count(5000), 2000):
            assert "error" in peer.ask({"execute": f"name-{number}"})
    assert target.memory() - before < 4 << 20
