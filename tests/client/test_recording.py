"""``record=``: what both clients write down, and what they keep to themselves."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.transcript import read_transcript
from tests.client.conftest import VERSION, Conversation, event, reply

if TYPE_CHECKING:
    from pathlib import Path

GREETING = {"QMP": {"version": VERSION, "capabilities": []}}


def lines(path: Path) -> list[Any]:
    """Return what a file says: connection, direction, message or note."""
    with path.open("rb") as file:
        return [
            (entry.connection, entry.note)
            if isinstance(entry.note, str)
            else (entry.connection, entry.direction, entry.message)
            for entry in read_transcript(file, str(path))
        ]


def test_all_that_is_said_is_written_down(
    tmp_path: Path, by_hand: Any, face: Any
) -> None:
    def talk(peer: Conversation) -> None:
        peer.negotiate()
        command = peer.read()
        peer.send(event("STOP"), reply(command))
        peer.serve()

    server = by_hand(talk)
    file = tmp_path / "talk.jsonl"
    vm = face.connect(server.path, record=file)
    vm.execute("one", a=1)
    vm.execute_many(["two", ("three", {"b": 2})])
    vm.close()

    said = lines(file)
    ids = [line[2]["id"] for line in said if line[1] == "->"]
    assert said == [
        (1, "connected"),
        (1, "<-", GREETING),
        (1, "->", {"execute": "qmp_capabilities", "id": ids[0]}),
        (1, "<-", {"return": {}, "id": ids[0]}),
        (1, "->", {"execute": "one", "arguments": {"a": 1}, "id": ids[1]}),
        (1, "<-", event("STOP")),
        (1, "<-", {"return": "one", "id": ids[1]}),
        (1, "->", {"execute": "two", "id": ids[2]}),
        (1, "->", {"execute": "three", "arguments": {"b": 2}, "id": ids[3]}),
        (1, "<-", {"return": "two", "id": ids[2]}),
        (1, "<-", {"return": "three", "id": ids[3]}),
        (1, "closed"),
    ]


def test_secrets_are_not_in_it(tmp_path: Path, by_hand: Any, face: Any) -> None:
    server = by_hand(lambda peer: (peer.negotiate(), peer.serve()))
    file = tmp_path / "talk.jsonl"
    vm = face.connect(server.path, record=os.fspath(file))
    secret = {"qom-type": "secret", "id": "s", "data": "hunter2"}
    vm.execute("object-add", secret)
    vm.execute("set_password", protocol="vnc", password="hunter2")
    vm.close()
    assert "hunter2" not in file.read_text()
    assert file.read_text().count("[redacted]") == 2


def test_a_file_is_gone_on_with_and_a_new_one_is_for_its_owner(
    tmp_path: Path, by_hand: Any, face: Any
) -> None:
    server = by_hand(lambda peer: (peer.negotiate(), peer.serve()))
    file = tmp_path / "talk.jsonl"
    for _ in range(2):
        face.connect(server.path, record=file).close()
    assert [line for line in lines(file) if len(line) == 2] == [
        (1, "connected"),
        (1, "closed"),
    ] * 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_was_moved_away_is_begun_anew(
    tmp_path: Path, by_hand: Any, face: Any
) -> None:
    server = by_hand(lambda peer: (peer.negotiate(), peer.serve()))
    file = tmp_path / "talk.jsonl"
    vm = face.connect(server.path, record=file)
    file.rename(tmp_path / "old.jsonl")
    vm.execute("later")
    vm.close()
    assert [line[2].get("execute") for line in lines(file) if line[1] == "->"] == [
        "later"
    ]


def test_each_connection_has_its_number(
    tmp_path: Path, by_hand: Any, face: Any
) -> None:
    def once(peer: Conversation) -> None:
        peer.negotiate()
        peer.read()
        peer.close()

    server = by_hand(once, lambda peer: (peer.negotiate(), peer.serve()))
    file = tmp_path / "talk.jsonl"
    vm = face.connect(server.path, record=file, reconnect=True)
    with pytest.raises(qmpx.ConnectionLost):
        vm.execute("breaks")
    assert vm.execute("works") == "works"
    vm.close()
    assert [line for line in lines(file) if len(line) == 2] == [
        (1, "connected"),
        (1, "closed"),
        (2, "connected"),
        (2, "closed"),
    ]


def test_a_place_that_cannot_be_written_is_told_before_connecting(
    tmp_path: Path, face: Any
) -> None:
    file = tmp_path / "nowhere" / "talk.jsonl"
    with pytest.raises(qmpx.errors.LocalProtocolError) as caught:
        face.connect("unix:/nobody/listens.sock", record=file)
    assert str(caught.value) == f"cannot write {file}: No such file or directory"


def test_a_conversation_survives_that_it_cannot_be_written_down(
    tmp_path: Path, by_hand: Any, face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server = by_hand(lambda peer: (peer.negotiate(), peer.serve()))
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "talk.jsonl"
    vm = face.connect(server.path, record=file)
    file.unlink()
    folder.rmdir()
    assert vm.execute("one") == "one"
    assert vm.execute("two") == "two"
    vm.close()
    told = f"the conversation is not written down any more: {file}: "
    told += "No such file or directory"
    assert [record.getMessage() for record in caplog.records] == [told]
