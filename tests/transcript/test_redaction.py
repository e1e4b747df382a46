"""Secrets do not get into transcripts."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.transcript import Entry
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER
from qmpx.transcript.redaction import REDACTED, redactor


def command(name: str, id_: Any = 1, **arguments: Any) -> Entry:
    message = {"execute": name, "arguments": arguments, "id": id_}
    return Entry(1.0, TO_SERVER, 1, message)


@pytest.mark.parametrize(
    ("entry", "arguments"),
    [
        (
            command("set_password", protocol="vnc", password="x"),
            {"protocol": "vnc", "password": REDACTED},
        ),
        (command("change-vnc-password", password="x"), {"password": REDACTED}),
        (
            command("object-add", **{"qom-type": "secret", "id": "s", "data": "x"}),
            {"qom-type": "secret", "id": "s", "data": REDACTED},
        ),
        (
            command("object-add", **{"qom-type": "rng-random", "data": "x"}),
            {"qom-type": "rng-random", "data": "x"},
        ),
        (
            command(
                "object-add",
                **{"qom-type": "secret", "id": "s", "props": {"data": "x"}},
            ),
            {"qom-type": "secret", "id": "s", "props": {"data": REDACTED}},
        ),
        (
            command("qom-set", path="/objects/s", property="data", value="x"),
            {"path": "/objects/s", "property": "data", "value": REDACTED},
        ),
        (
            command("qom-set", path="/machine", property="a", value="x"),
            {"path": "/machine", "property": "a", "value": "x"},
        ),
        (
            command("guest-set-user-password", username="root", password="x"),
            {"username": "root", "password": REDACTED},
        ),
        (
            command(
                "human-monitor-command", **{"command-line": " change  vnc password x"}
            ),
            {"command-line": f"change vnc {REDACTED}"},
        ),
        (
            command("human-monitor-command", **{"command-line": "change cd0 a.iso"}),
            {"command-line": "change cd0 a.iso"},
        ),
        (command("x-qmpx-authenticate", token="x"), {"token": REDACTED}),
        (
            command("set_password", protocol="vnc", password=None),
            {"protocol": "vnc", "password": None},
        ),
    ],
)
def test_arguments_lose_their_secrets(entry: Entry, arguments: dict[str, Any]) -> None:
    assert redactor()(entry).message["arguments"] == arguments


def test_what_a_secret_object_tells_is_redacted_in_its_reply() -> None:
    redact = redactor()
    redact(command("qom-get", 1, path="/objects/sec0", property="data"))
    redact(command("qom-get", 2, path="/machine", property="type"))
    one = Entry(1.0, TO_CLIENT, 1, {"return": "hunter2", "id": 1})
    two = Entry(1.0, TO_CLIENT, 1, {"return": "pc", "id": 2})
    assert redact(two) == two
    assert redact(one).message == {"return": REDACTED, "id": 1}
    assert redact(one) == one  # an id may be used again


def test_what_has_no_secrets_stays() -> None:
    redact = redactor()
    for entry in (
        command("stop"),
        Entry(1.0, TO_CLIENT, 1, {"event": "STOP", "data": {"a": [1]}}),
        Entry(1.0, TO_CLIENT, 1, raw="x"),
        Entry(1.0, connection=1, note="closed"),
        Entry(1.0, TO_SERVER, 1, {"execute": "stop"}),
    ):
        assert redact(entry) == entry
