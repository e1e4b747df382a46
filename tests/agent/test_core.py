from __future__ import annotations

import json
from typing import Any

import pytest

from qmpx import errors
from qmpx.agent.core import SILENT, AgentCore

DELIMITER = b"\xff"


class Agent:
    """Answers a core's commands; what it says comes in pieces of one size.

    Args:
        replies: What it says to each command but those that bring it into step.
        before: What comes before its first word.
        size: How many bytes come at once.
        complains: Whether it takes the delimiter for bad JSON, and says so.
    """

    def __init__(
        self,
        *replies: bytes,
        before: bytes = b"",
        size: int = 1000,
        complains: bool = True,
    ) -> None:
        self._complains = complains
        self._replies = list(replies)
        self._before = before
        self._size = size
        self.commands: list[str] = []

    def run(self, core: AgentCore, name: str, arguments: Any = None) -> Any:
        """Let a core run a command."""
        conversation = core.converse(name, arguments)
        said = b""
        try:
            step = next(conversation)
            while True:
                if step is None:
                    if not said:
                        step = conversation.throw(TimeoutError())
                        continue
                    piece, said = said[: self._size], said[self._size :]
                    step = conversation.send(piece)
                else:
                    said += self._answer(step)
                    step = conversation.send(None)
        except StopIteration as end:
            return end.value

    def _answer(self, data: bytes) -> bytes:
        command = json.loads(data.lstrip(DELIMITER))
        self.commands.append(command["execute"])
        before, self._before = self._before, b""
        if command["execute"] != "guest-sync-delimited":
            return before + (self._replies.pop(0) if self._replies else b"")
        if self._complains and data.startswith(DELIMITER):
            before += b'{"error": {"class": "GenericError", "desc": "JSON"}}\n'
        number = json.dumps({"return": command["arguments"]["id"]}).encode()
        return before + DELIMITER + number + b"\n"


def spelled(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


@pytest.mark.parametrize("size", range(1, 90))
def test_a_reply_is_read_however_the_stream_is_cut(size: int) -> None:
    value = {"a": [1, {"b": "\\n é"}]}
    agent = Agent(spelled({"return": value}), spelled({"return": 2}), size=size)
    core = AgentCore()
    assert agent.run(core, "guest-info") == value
    assert agent.run(core, "guest-ping", {"x": 1}) == 2
    assert agent.commands == ["guest-sync-delimited", "guest-info", "guest-ping"]


OLD = {
    "a reply": spelled({"return": "old"}),
    "an error": spelled({"error": {"class": "GenericError", "desc": "old"}}),
    "half a reply": b'{"return": "ol',
    "another's answer": DELIMITER + spelled({"return": 1}),
    "its beginning": DELIMITER + DELIMITER + b"\n",
    "half of another's answer": DELIMITER + b'{"return": 1',
    "noise": bytes(range(256)) + DELIMITER + b"x" + DELIMITER,
    "a console": b"[    0.000000] Linux version 6.1\r\nlogin: ",
}


@pytest.mark.parametrize("old", list(OLD))
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("complains", [True, False])
def test_what_is_old_is_dropped(old: str, size: int, complains: bool) -> None:
    new = spelled({"return": "new"})
    agent = Agent(new, before=OLD[old], size=size, complains=complains)
    assert agent.run(AgentCore(), "guest-info") == "new"


def test_after_a_timeout_the_late_reply_is_nobody_elses() -> None:
    core = AgentCore()
    with pytest.raises(TimeoutError):
        Agent().run(core, "guest-exec-status")
    assert not core.is_in_step
    late = spelled({"return": "late"})
    agent = Agent(spelled({"return": "mine"}), before=late)
    assert agent.run(core, "guest-ping") == "mine"
    assert agent.commands == ["guest-sync-delimited", "guest-ping"]


def test_a_refusal_is_an_error_of_its_class() -> None:
    text = "The command guest-nope has not been found"
    refusal = {"error": {"class": "CommandNotFound", "desc": text}}
    core = AgentCore()
    with pytest.raises(errors.CommandNotFound, match=text):
        Agent(spelled(refusal)).run(core, "guest-nope")
    assert core.is_in_step


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b"garbage\n", "the reply to 'guest-ping' is no JSON"),
        (b"[1]\n", "the reply to 'guest-ping' holds nothing"),
        (b"{}\n", "the reply to 'guest-ping' holds nothing"),
        (b'{"error": 1}\n', "the reply to 'guest-ping' holds nothing"),
        (b"[" * 5000 + b"\n", "the reply to 'guest-ping' is no JSON"),
        (b"\xfe\n", "the reply to 'guest-ping' is no JSON"),
    ],
)
def test_what_is_no_reply_is_a_fault_of_the_agent(said: bytes, message: str) -> None:
    with pytest.raises(errors.RemoteProtocolError, match=message):
        Agent(said).run(AgentCore(), "guest-ping")


def test_a_reply_that_never_ends_is_given_up() -> None:
    core = AgentCore(max_message_size=100)
    with pytest.raises(errors.RemoteProtocolError, match="exceeds 100 bytes"):
        Agent(b"x" * 200, size=50).run(core, "guest-ping")
    assert Agent(spelled({"return": 1})).run(core, "guest-ping") == 1


@pytest.mark.parametrize("name", SILENT)
def test_a_command_that_does_not_answer_is_done_when_the_agent_answers_the_next(
    name: str,
) -> None:
    core = AgentCore()
    agent = Agent()
    assert agent.run(core, name) is None
    assert agent.commands == ["guest-sync-delimited", name, "guest-sync-delimited"]
    assert core.is_in_step


def test_a_command_that_only_answers_when_it_fails_can_fail() -> None:
    core = AgentCore()
    refusal = {"error": {"class": "GenericError", "desc": "no systemctl"}}
    with pytest.raises(errors.GenericError, match="no systemctl"):
        Agent(spelled(refusal)).run(core, "guest-suspend-ram")
    assert core.is_in_step


def test_a_guest_that_goes_down_at_once_has_done_what_was_wanted() -> None:
    core = AgentCore()
    core.is_in_step = True
    conversation = core.converse("guest-shutdown", None)
    next(conversation)
    conversation.send(None)
    with pytest.raises(StopIteration) as end:
        conversation.throw(errors.ConnectionLost("gone"))
    assert end.value.value is None
