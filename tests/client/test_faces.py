"""What both clients do alike, against servers of every kind: one test for the two."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.client.core import MAX_IN_FLIGHT
from tests.client.conftest import (
    SECONDS,
    ByHand,
    Conversation,
    Face,
    event,
    greeting,
    reply,
    spelled,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Start = "Callable[..., ByHand]"

# Greeting and negotiation.


def test_the_greeting_is_kept_and_oob_enabled_where_it_is_offered(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    enabled: list[Any] = []

    def script(peer: Conversation) -> None:
        enabled.append(peer.negotiate("oob", "other").get("arguments"))
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    vm.execute("x")
    assert vm.greeting.version["qemu"]["major"] == 9
    assert list(vm.greeting.capabilities) == ["oob", "other"]
    assert vm.is_connected
    assert enabled == [{"enable": ["oob"]}]


@pytest.mark.parametrize(
    ("offered", "capabilities", "enabled"),
    [
        ((), ("oob",), None),
        (("oob",), (), None),
        (("oob", "x"), ("x", "y"), {"enable": ["x"]}),
    ],
)
def test_only_what_is_offered_and_wanted_is_enabled(
    face: Face,
    path: str,
    by_hand: Callable[..., ByHand],
    offered: tuple[str, ...],
    capabilities: tuple[str, ...],
    enabled: Any,
) -> None:
    got: list[Any] = []

    def script(peer: Conversation) -> None:
        got.append(peer.negotiate(*offered).get("arguments"))
        peer.serve()

    by_hand(script)
    face.connect(path, capabilities=capabilities).execute("x")
    assert got == [enabled]


def spread(message: Any) -> bytes:
    """Return a message spread over lines, as with QEMU's ``pretty=on``."""
    return json.dumps(message, indent=4).encode().replace(b"\n", b"\r\n") + b"\r\n"


SPELLINGS: dict[str, Callable[[Any], bytes]] = {
    "QEMU's": spelled,
    "newline only": lambda message: json.dumps(message).encode() + b"\n",
    "no newline": lambda message: json.dumps(message).encode(),
    "pretty": spread,
    "blank lines": lambda message: b"\r\n\n " + spelled(message) + b"\n\n",
    "unknown members": lambda message: spelled({"x-new": [{}], **message}),
}


@pytest.mark.parametrize("spelling", list(SPELLINGS))
def test_messages_are_read_however_they_are_spelled(
    face: Face, path: str, by_hand: Callable[..., ByHand], spelling: str
) -> None:
    spell = SPELLINGS[spelling]

    def script(peer: Conversation) -> None:
        peer.send(spell(greeting("oob")))
        peer.send(spell(reply(peer.read(), {})))
        for value in ("one", {"a": [1, {"b": "}\n{"}]}, 3):
            command = peer.read()
            peer.send(spell(event("STOP", {"a": "}"})))
            peer.send(spell(reply(command, value)))

    by_hand(script)
    vm = face.connect(path)
    events = vm.events()
    assert [vm.execute("x") for _ in range(3)] == [
        "one",
        {"a": [1, {"b": "}\n{"}]},
        3,
    ]
    assert [events.get(SECONDS).data for _ in range(3)] == [{"a": "}"}] * 3


@pytest.mark.parametrize("spelling", ["QEMU's", "no newline", "pretty"])
def test_messages_are_read_when_they_come_byte_by_byte(
    face: Face, path: str, by_hand: Callable[..., ByHand], spelling: str
) -> None:
    spell = SPELLINGS[spelling]

    def script(peer: Conversation) -> None:
        def trickle(*messages: Any) -> None:
            for byte in b"".join(map(spell, messages)):
                peer.sock.sendall(bytes([byte]))

        trickle(event("EARLY"), greeting("oob"))
        trickle(event("DURING"), reply(peer.read(), {}))
        first, second = peer.read(), peer.read()
        trickle(event("STOP"), reply(second, "second"), reply(first, {"a": [1]}))

    by_hand(script)
    vm = face.connect(path)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(vm.execute, "x") for _ in range(2)]
        values = [call.result(SECONDS) for call in calls]
    assert {"a": [1]} in values
    assert "second" in values


def test_messages_are_read_when_they_come_all_at_once(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.send(event("EARLY"), greeting(), event("EARLY"))
        peer.send(event("DURING"), reply(peer.read(), {}), event("AFTER"))
        command = peer.read()
        peer.send(event("BEFORE"), reply(command), event("BEHIND"))

    by_hand(script)
    vm = face.connect(path)
    events = vm.events("BEFORE", "BEHIND")
    assert vm.execute("query-status") == "query-status"
    assert [events.get(SECONDS).name for _ in range(2)] == ["BEFORE", "BEHIND"]


def test_events_before_the_greeting_and_during_negotiation_are_no_replies(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.send(event("RTC_CHANGE"))
        time.sleep(0.01)  # so that it is read alone
        peer.greet("oob")
        command = peer.read()
        peer.send(event("RTC_CHANGE"))
        time.sleep(0.01)
        peer.send(reply(command, {}))
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    assert vm.greeting.version["package"] == "by hand"
    assert vm.execute("query-status") == "query-status"


# Replies and their calls.


def test_replies_find_their_calls_in_any_order(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    count = 30

    def script(peer: Conversation) -> None:
        peer.negotiate()
        commands = [peer.read() for _ in range(count)]
        assert len({command["id"] for command in commands}) == count
        for command in reversed(commands):
            peer.send(reply(command, command["arguments"]["n"]))

    by_hand(script)
    vm = face.connect(path)
    calls = [pool.submit(vm.execute, "x", {"n": n}) for n in range(count)]
    assert [call.result(SECONDS) for call in calls] == list(range(count))


def test_a_server_that_leaves_ids_out_is_understood(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.greet()
        peer.read()
        peer.send({"return": {}})
        for n in range(3):
            peer.read()
            peer.send(event("STOP"), {"return": n})
        peer.read()
        peer.send({"error": {"class": "GenericError", "desc": "no"}})

    by_hand(script)
    vm = face.connect(path)
    assert vm.execute("x") == 0
    assert vm.execute_many(["x", "y"]) == [1, 2]
    with pytest.raises(qmpx.CommandError, match=r"^GenericError: no$"):
        vm.execute("x")


def test_a_late_reply_without_an_id_is_not_taken_for_the_next_one(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    go_on = threading.Event()

    def script(peer: Conversation) -> None:
        peer.greet()
        peer.read()
        peer.send({"return": {}})
        peer.read()
        go_on.wait(SECONDS)
        peer.send({"return": "late"})
        peer.read()
        peer.send({"return": "in time"})

    by_hand(script)
    vm = face.connect(path)
    with pytest.raises(qmpx.DeadlineExceeded):
        vm.execute("slow", timeout=0.01)
    go_on.set()
    assert vm.execute("quick") == "in time"
    assert vm.late_replies == 1


@pytest.mark.parametrize("odd", [10_000, "text", None, 1.0, [1], {"a": 1}, True])
def test_a_reply_that_nobody_waits_for_is_dropped_and_counted(
    face: Face, path: str, by_hand: Callable[..., ByHand], odd: Any
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        command = peer.read()
        peer.send({"return": "not mine", "id": odd}, reply(command, "mine"))

    by_hand(script)
    vm = face.connect(path)
    assert vm.execute("x") == "mine"
    assert vm.late_replies == 1


def test_a_message_that_is_nothing_is_dropped(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        command = peer.read()
        peer.send({}, {"what": 1}, {"id": 99999}, reply(command))

    by_hand(script)
    vm = face.connect(path)
    assert vm.execute("x") == "x"


@pytest.mark.parametrize(
    "value", [{}, [], "", 0, None, False, 2**64 - 1, -(2**63), 0.1, "😀"]
)
def test_values_come_as_they_were_sent(
    face: Face, path: str, by_hand: Callable[..., ByHand], value: Any
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        for _ in range(2):
            peer.send({"return": value, "id": peer.read()["id"]})

    by_hand(script)
    vm = face.connect(path)
    assert vm.execute("x") == value
    assert json.loads(bytes(vm.execute_raw("x"))) == value


@pytest.mark.slow
def test_a_reply_of_ten_megabytes_is_read(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    value = ["x" * 1000] * 10_000

    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.send(reply(peer.read(), value))
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    assert vm.execute("large") == value
    assert vm.execute("small") == "small"


def test_a_reply_beyond_the_limit_ends_the_conversation(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        command = peer.read()
        try:
            while True:
                peer.send(b'{"return": "' + b"x" * 10_000)
        except (BrokenPipeError, ConnectionResetError):
            assert command

    by_hand(script)
    vm = face.connect(path, max_message_size=100_000)
    with pytest.raises(
        qmpx.RemoteProtocolError, match=r"^a message of the server exceeds 100000 bytes"
    ):
        vm.execute("large")
    assert not vm.is_connected


# Arguments.


def test_arguments_are_a_mapping_keywords_or_both(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    sent: list[Any] = []

    def script(peer: Conversation) -> None:
        peer.negotiate("oob")
        for _ in range(7):
            command = peer.read()
            sent.append({k: v for k, v in command.items() if k != "id"})
            peer.send(reply(command))

    by_hand(script)
    vm = face.connect(path)
    vm.execute("a")
    vm.execute("b", {"node-name": "x"}, force=True)
    vm.execute("c", {}, name="n", arguments=[1], self=None)
    vm.exec_oob("d", id="x")
    vm.execute_raw("e", {"x": {"y": [1, 2.5, None, "ä"]}})
    vm.execute_many(["f", ("g", {"timeout": 1})])
    assert sent == [
        {"execute": "a"},
        {"execute": "b", "arguments": {"node-name": "x", "force": True}},
        {"execute": "c", "arguments": {"name": "n", "arguments": [1], "self": None}},
        {"exec-oob": "d", "arguments": {"id": "x"}},
        {"execute": "e", "arguments": {"x": {"y": [1, 2.5, None, "ä"]}}},
        {"execute": "f"},
        {"execute": "g", "arguments": {"timeout": 1}},
    ]


NO_JSON = [
    {"a": math.nan},
    {"a": [1, {"b": math.inf}]},
    {"a": None, "b": (-math.inf,)},
    {"a": ...},
    {"a": {(1, 2): 3}},
    {"a": "\ud800"},
    {"a": 1j},
    ["no", "object"],
    "text",
    7,
]


@pytest.mark.parametrize("arguments", NO_JSON, ids=repr)
def test_what_is_no_json_is_not_sent_and_the_connection_stays_usable(
    face: Face, path: str, by_hand: Callable[..., ByHand], arguments: Any
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate("oob")
        assert peer.read()["execute"] == "first"
        peer.send({"return": 1})  # no id: it must be the call that waits
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    for call in (vm.execute, vm.execute_raw, vm.exec_oob):
        with pytest.raises(qmpx.LocalProtocolError):
            call("bad", arguments)
    with pytest.raises(qmpx.LocalProtocolError):
        vm.execute_many(["good", ("bad", arguments), "good"])
    assert vm.execute("first") == 1
    assert vm.execute("second") == "second"


def test_a_batch_that_holds_no_command_is_not_sent(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        assert peer.read()["execute"] == "first"
        peer.send({"return": 1})

    by_hand(script)
    vm = face.connect(path)
    with pytest.raises((TypeError, ValueError, IndexError)):
        vm.execute_many(["good", 5])
    assert vm.execute("first") == 1
    assert vm.execute_many([]) == []
    assert vm.execute_many(iter(())) == []


def test_too_many_calls_at_once_are_refused_before_any_is_sent(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    with pytest.raises(
        qmpx.LocalProtocolError, match=rf"^{MAX_IN_FLIGHT} calls wait for replies"
    ):
        vm.execute_many(["x"] * (MAX_IN_FLIGHT + 1))
    assert vm.execute("x") == "x"


# Errors.


def test_an_error_is_an_exception_of_its_class_with_all_its_particulars(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        for error in (
            {"class": "DeviceNotFound", "desc": "Device 'x' not found"},
            {"class": "DeviceNotFound", "desc": "Old", "data": {"device": "x"}},
            {"class": "NewClass", "desc": "what?", "more": 1},
            {"desc": "no class"},
            {},
        ):
            peer.send({"error": error, "id": peer.read()["id"]})

    by_hand(script)
    vm = face.connect(path)
    with pytest.raises(qmpx.errors.DeviceNotFound) as caught:
        vm.execute("eject", device="x")
    error = caught.value
    assert (error.error_class, error.desc, error.data, error.command) == (
        "DeviceNotFound",
        "Device 'x' not found",
        {},
        "eject",
    )
    with pytest.raises(qmpx.errors.DeviceNotFound) as caught:
        vm.execute("eject")
    assert (caught.value.data, caught.value.device) == ({"device": "x"}, "x")
    with pytest.raises(qmpx.CommandError, match=r"^NewClass: what\?$") as other:
        vm.execute("new")
    assert type(other.value) is qmpx.CommandError
    with pytest.raises(qmpx.errors.GenericError, match=r"^GenericError: no class$"):
        vm.execute("new")
    with pytest.raises(qmpx.errors.GenericError):
        vm.execute("new")


def test_a_reply_that_holds_nothing_is_the_servers_fault(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.send({"id": peer.read()["id"]})
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    with pytest.raises(
        qmpx.RemoteProtocolError, match=r"^the reply to 'x' holds nothing$"
    ):
        vm.execute("x")
    assert vm.execute("y") == "y"


@pytest.mark.parametrize("value", [b'"\xff\xfe"', b"1e999", b'{"a": "\xc3"}'])
def test_a_value_that_cannot_be_read_is_the_servers_fault(
    face: Face, path: str, by_hand: Callable[..., ByHand], value: bytes
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        for _ in range(2):
            id_ = b"%d" % peer.read()["id"]
            peer.send(b'{"return": ' + value + b', "id": ' + id_ + b"}\r\n")
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    with pytest.raises(qmpx.RemoteProtocolError):
        vm.execute("x")
    with pytest.raises(qmpx.RemoteProtocolError):
        vm.execute_many(["x"])


def test_a_batch_raises_its_first_error_or_returns_them_in_their_places(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        while True:
            commands = [peer.read() for _ in range(4)]
            for command in reversed(commands):
                if command["execute"] == "bad":
                    error = {"class": "GenericError", "desc": f"no {command['id'] % 4}"}
                    peer.send({"error": error, "id": command["id"]})
                else:
                    peer.send(reply(command))
            if commands[0]["execute"] == "last":
                return

    by_hand(script)
    vm = face.connect(path)
    values = vm.execute_many(["a", "bad", ("bad", {}), "d"], return_errors=True)
    assert [v if isinstance(v, str) else type(v) for v in values] == [
        "a",
        qmpx.errors.GenericError,
        qmpx.errors.GenericError,
        "d",
    ]
    assert values[1].command == "bad"
    assert values[1].desc != values[2].desc
    with pytest.raises(qmpx.errors.GenericError) as caught:
        vm.execute_many(["a", "bad", "bad", "d"])
    assert caught.value.desc == values[1].desc
    assert vm.execute_many(["last", "b", "c", "d"]) == ["last", "b", "c", "d"]


# Deadlines.


def test_after_a_deadline_the_connection_is_in_step(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate("oob")
        # Answered each with the next one: always too late.
        held: list[Any] = []
        for _ in range(5):
            command = peer.read()
            peer.send(*(reply(each, "late") for each in held))
            held = [command]
        peer.send(reply(held[0], "in time"))

    by_hand(script)
    vm = face.connect(path)
    for call in (vm.execute, vm.execute_raw, vm.exec_oob):
        with pytest.raises(qmpx.DeadlineExceeded) as caught:
            call("slow", timeout=0.01)
        assert (caught.value.command, caught.value.timeout) == ("slow", 0.01)
        assert str(caught.value) == "no reply to 'slow' within 0.01 s"
    with pytest.raises(qmpx.DeadlineExceeded) as caught:
        vm.execute_many(["slow"], timeout=0.01)
    assert str(caught.value) == "no replies to 1 commands within 0.01 s"
    assert vm.execute("quick") == "in time"
    assert vm.late_replies == 4
    assert vm.is_connected


def test_the_default_deadline_is_the_clients(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    go_on = threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.read()
        command = peer.read()
        go_on.wait(SECONDS)
        peer.send(reply(command, "in time"))

    by_hand(script)
    vm = face.connect(path, timeout=0.02)
    with pytest.raises(qmpx.DeadlineExceeded, match=r"within 0\.02 s$"):
        vm.execute("slow")
    threading.Timer(0.05, go_on.set).start()
    assert vm.execute("slow", timeout=None) == "in time"


def test_calls_with_different_deadlines_end_each_at_its_own(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        commands = {}
        for _ in range(4):
            command = peer.read()
            commands[command["execute"]] = command
        peer.read()
        peer.send(reply(commands["long"]))

    by_hand(script)
    vm = face.connect(path)
    long = pool.submit(vm.execute, "long", timeout=SECONDS)
    forever = pool.submit(vm.execute, "forever", timeout=None)
    while vm_pending(vm) < 2:
        time.sleep(0.001)
    ended: list[float] = []

    def end(seconds: float) -> None:
        with pytest.raises(qmpx.DeadlineExceeded):
            vm.execute(f"{seconds:g}", timeout=seconds)
        ended.append(seconds)

    wait([pool.submit(end, 0.06), pool.submit(end, 0.02)])
    assert ended == [0.02, 0.06]
    assert not long.done()
    with pytest.raises(qmpx.DeadlineExceeded):
        vm.execute("now", timeout=0.01)
    assert long.result(SECONDS) == "long"
    vm.close()
    with pytest.raises(qmpx.ConnectionLost):
        forever.result(SECONDS)


def vm_pending(vm: Any) -> int:
    """Return how many calls of a client wait."""
    return len(getattr(vm, "client", vm)._core.pending)  # noqa: SLF001


def test_a_batch_that_was_late_leaves_the_connection_in_step(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        batch = [peer.read() for _ in range(3)]
        peer.send(reply(batch[0]))
        single = peer.read()
        peer.send(reply(batch[2]), reply(single), reply(batch[1]))
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    with pytest.raises(qmpx.DeadlineExceeded):
        vm.execute_many(["a", "b", "c"], timeout=0.02)
    assert vm.execute("d") == "d"
    assert vm.execute("e") == "e"
    assert vm.late_replies == 2


def test_a_deadline_of_no_time_is_over_at_once(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        late = [peer.read() for _ in range(3)]
        peer.send(*map(reply, [*late, peer.read()]))

    by_hand(script)
    vm = face.connect(path)
    for timeout in (0, 0.0, -1):
        with pytest.raises(qmpx.DeadlineExceeded):
            vm.execute("x", timeout=timeout)
    assert vm.execute("y") == "y"


# Out of band, and descriptors.


def test_out_of_band_execution_is_refused_where_it_is_not_offered(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    with pytest.raises(
        qmpx.LocalProtocolError,
        match=r"^this server does not offer out-of-band execution; "
        r"it offers no capabilities$",
    ):
        vm.exec_oob("query-yank")
    assert vm.execute("x") == "x"


def test_out_of_band_execution_is_refused_where_it_was_not_enabled(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate("oob")
        peer.serve()

    by_hand(script)
    vm = face.connect(path, capabilities=())
    with pytest.raises(
        qmpx.LocalProtocolError, match=r"^out-of-band execution was not enabled"
    ):
        vm.exec_oob("query-yank")


def test_descriptors_go_with_the_command_or_before_it(
    face: Face, path: str, by_hand: Callable[..., ByHand], open_fds: Callable[[], int]
) -> None:
    got: list[tuple[bytes, bytes]] = []

    def script(peer: Conversation) -> None:
        peer.negotiate()
        for _ in range(3):
            data, fds, _, _ = socket.recv_fds(peer.sock, 4096, 8)
            for fd in fds:
                got.append((data[:11], os.read(fd, 99)))
                os.close(fd)
            if data != b" ":
                peer.send(reply(json.loads(data), 1))

    by_hand(script)
    vm = face.connect(path)
    before = open_fds()
    pipes = [os.pipe() for _ in range(3)]
    for n, (_, writer) in enumerate(pipes):
        os.write(writer, b"pipe %d" % n)
    readers = [reader for reader, _ in pipes]
    assert vm.execute("getfd", {"fdname": "x"}, fds=readers[:2]) == 1
    vm.send_fd(readers[2])
    assert vm.execute("getfd", fdname="y") == 1
    for pipe in pipes:
        for fd in pipe:
            os.close(fd)
    assert got == [
        (b'{"execute":', b"pipe 0"),
        (b'{"execute":', b"pipe 1"),
        (b" ", b"pipe 2"),
    ]
    assert open_fds() == before


def test_a_descriptor_that_is_none_is_refused_and_the_connection_stays_usable(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.read()
        peer.send({"return": "no id"})

    by_hand(script)
    vm = face.connect(path)
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    for call in (
        lambda: vm.execute("getfd", {"fdname": "x"}, fds=[reader]),
        lambda: vm.send_fd(reader),
        lambda: vm.send_fd(-1),
        lambda: vm.execute("add-fd", fds=[0] * 300),
    ):
        with pytest.raises(qmpx.LocalProtocolError):
            call()
    assert vm.is_connected
    assert vm.execute("query-name") == "no id"


def test_descriptors_cannot_go_where_there_is_no_unix_socket(
    face: Face, pool: ThreadPoolExecutor
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            sock, _ = listening.accept()
            peer = Conversation(sock)
            peer.negotiate()
            peer.serve()
            peer.close()

        serving = pool.submit(serve)
        vm = face.connect(f"tcp:127.0.0.1:{listening.getsockname()[1]}")
        for call in (
            lambda: vm.execute("getfd", {"fdname": "x"}, fds=[0]),
            lambda: vm.send_fd(0),
        ):
            with pytest.raises(qmpx.LocalProtocolError):
                call()
        assert vm.execute("query-name") == "query-name"
        vm.close()
        serving.result(SECONDS)


def test_descriptors_wait_for_room_no_longer_than_their_deadline(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    go_on = threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        go_on.wait(SECONDS)
        while True:
            data, fds, _, _ = socket.recv_fds(peer.sock, 1, 8)
            for fd in fds:
                os.close(fd)
            if data != b" ":
                break
        line = peer.lines.readline()
        peer.send(reply(json.loads(data + line)))

    by_hand(script)
    vm = face.connect(path, timeout=0.05)
    with pytest.raises(qmpx.DeadlineExceeded, match=r"^no (room|reply)"):  # noqa: PT012
        for _ in range(10_000):
            vm.send_fd(0)
    with pytest.raises(qmpx.DeadlineExceeded):
        vm.execute("add-fd", fds=[0])
    assert vm.is_connected
    threading.Timer(0.05, go_on.set).start()
    assert vm.execute("query-name", timeout=SECONDS) == "query-name"


# Events.


def test_events_have_name_data_and_time(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        command = peer.read()
        peer.send(event("STOP"), event("EJECT", {"device": "x"}, seconds=7))
        peer.send({"event": "BARE"}, {"event": "ODD", "data": [1], "timestamp": {}})
        peer.send(reply(command))

    by_hand(script)
    vm = face.connect(path)
    events = vm.events()
    vm.execute("go")
    got = [events.get(SECONDS) for _ in range(4)]
    assert [(e.name, e.data, e.timestamp) for e in got[:2]] == [
        ("STOP", {}, 1.5),
        ("EJECT", {"device": "x"}, 7.5),
    ]
    assert [(e.name, e.data, e.seconds) for e in got[2:]] == [
        ("BARE", {}, -1),
        ("ODD", {}, -1),
    ]
    assert not any(e.synthetic for e in got)


def test_subscribers_get_what_they_asked_for_each_on_its_own(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    names = ["STOP", "BLOCK_JOB_COMPLETED", "JOB_STATUS_CHANGE", "BLOCK_JOB_ERROR"]

    def script(peer: Conversation) -> None:
        peer.negotiate()
        command = peer.read()
        peer.send(*(event(name) for name in names), reply(command))
        command = peer.read()
        peer.send(event("LAST"), reply(command))

    by_hand(script)
    vm = face.connect(path)
    everything, jobs = vm.events(), vm.events("BLOCK_JOB_*", "JOB_*")
    single, none = vm.events("STO?"), vm.events("NO_SUCH")
    vm.execute("go")
    late = vm.events()
    vm.execute("go")
    assert [everything.get(SECONDS).name for _ in range(5)] == [*names, "LAST"]
    assert [jobs.get(SECONDS).name for _ in range(3)] == names[1:]
    assert single.get(SECONDS).name == "STOP"
    assert late.get(SECONDS).name == "LAST"
    for subscription in (everything, jobs, single, none, late):
        with pytest.raises(qmpx.DeadlineExceeded, match=r"^no event within 0\.01 s$"):
            subscription.get(0.01)


@pytest.mark.parametrize(
    ("overflow", "kept", "dropped"),
    [("drop-oldest", ["C", "D"], 2), ("drop-newest", ["A", "B"], 2)],
)
def test_a_full_subscription_drops_and_counts(
    face: Face,
    path: str,
    by_hand: Callable[..., ByHand],
    overflow: str,
    kept: list[str],
    dropped: int,
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        command = peer.read()
        peer.send(*map(event, "ABCD"), reply(command))

    by_hand(script)
    vm = face.connect(path)
    events, all_of_them = vm.events(limit=2, overflow=overflow), vm.events()
    vm.execute("go")
    assert [events.get(SECONDS).name for _ in range(2)] == kept
    assert events.dropped == dropped
    assert [all_of_them.get(SECONDS).name for _ in range(4)] == list("ABCD")
    assert all_of_them.dropped == 0


def test_a_full_subscription_may_ask_to_be_told(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        command = peer.read()
        peer.send(*map(event, "ABCD"), reply(command))
        command = peer.read()
        peer.send(event("E"), reply(command))

    by_hand(script)
    vm = face.connect(path)
    events = vm.events(limit=2, overflow="error")
    vm.execute("go")
    assert [events.get(SECONDS).name for _ in range(2)] == ["A", "B"]
    with pytest.raises(qmpx.EventsLost, match=r"^2 events were dropped") as caught:
        events.get(SECONDS)
    assert caught.value.dropped == 2
    vm.execute("go")
    assert events.get(SECONDS).name == "E"


@pytest.mark.parametrize("options", [{"limit": 0}, {"overflow": "block"}])
def test_a_subscription_that_cannot_be_is_refused(
    face: Face,
    path: str,
    by_hand: Callable[..., ByHand],
    options: dict[str, Any],
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()

    by_hand(script)
    vm = face.connect(path)
    with pytest.raises(ValueError, match=r"limit is at least 1|no overflow policy"):
        vm.events(**options)


def test_events_are_waited_for_while_replies_arrive(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        for n in range(200):
            command = peer.read()
            if n % 2:
                peer.send(event("TICK", {"n": n}), reply(command, n))
            else:
                peer.send(reply(command, n), event("TICK", {"n": n}))

    by_hand(script)
    vm = face.connect(path)
    events = vm.events()

    def watch() -> list[int]:
        return [events.get(SECONDS).data["n"] for _ in range(200)]

    watching = pool.submit(watch)
    assert [vm.execute("x") for _ in range(200)] == list(range(200))
    assert watching.result(SECONDS) == list(range(200))


def test_an_event_wakes_who_waits_though_nobody_calls(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    go_on = threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        go_on.wait(SECONDS)
        peer.send(event("STOP"))

    by_hand(script)
    vm = face.connect(path)
    subscriptions = [vm.events() for _ in range(3)]
    waiting = [pool.submit(each.get, SECONDS) for each in subscriptions]
    time.sleep(0.02)
    assert not any(each.done() for each in waiting)
    go_on.set()
    assert [each.result(SECONDS).name for each in waiting] == ["STOP"] * 3


# The end.


def close_within_a_message(peer: Conversation) -> None:
    peer.send(b'{"return": {"a')
    peer.close()


def shut(peer: Conversation) -> None:
    peer.sock.shutdown(socket.SHUT_WR)


def close_unread(peer: Conversation) -> None:
    """Close a connection on which there is something to read: that resets it."""
    peer.close()


@pytest.mark.parametrize(
    "end", [Conversation.close, close_within_a_message, shut, close_unread]
)
def test_a_lost_connection_wakes_every_caller_and_every_subscriber(
    face: Face,
    path: str,
    by_hand: Callable[..., ByHand],
    pool: ThreadPoolExecutor,
    end: Callable[[Conversation], None],
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        sent = b""
        while sent.count(b"\n") < 5:
            sent = peer.sock.recv(4096, socket.MSG_PEEK)
        if end is not close_unread:
            peer.sock.recv(len(sent))
        peer.send(event("LAST"))
        end(peer)

    by_hand(script)
    vm = face.connect(path)
    subscriptions = [vm.events() for _ in range(3)]
    watching = [pool.submit(list, each) for each in subscriptions]
    calls = [pool.submit(vm.execute, "x", timeout=None) for _ in range(3)]
    batch = pool.submit(vm.execute_many, ["a", "b"], timeout=None)
    for call in (*calls, batch, *watching):
        with pytest.raises(qmpx.ConnectionLost):
            call.result(SECONDS)
    assert not vm.is_connected
    # And whoever comes later is told, too; what came before is still there.
    for later in (
        lambda: vm.execute("x"),
        lambda: vm.execute_raw("x"),
        lambda: vm.execute_many(["x"]),
        lambda: vm.send_fd(0),
        lambda: vm.events().get(SECONDS),
        lambda: subscriptions[0].get(SECONDS),
    ):
        with pytest.raises(qmpx.ConnectionLost):
            later()


def test_a_lost_connection_is_reported_with_what_it_cost(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.read()
        peer.close()

    by_hand(script)
    vm = face.connect(path)
    with pytest.raises(
        qmpx.ConnectionLost,
        match=r"^the peer closed the connection while 1 call waited$",
    ):
        vm.execute("x")


def test_events_that_came_before_the_end_are_still_given(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.read()
        peer.send(event("A"), event("B"))
        peer.close()

    by_hand(script)
    vm = face.connect(path)
    events = vm.events()
    with pytest.raises(qmpx.ConnectionLost):
        vm.execute("quit")
    assert [events.get(SECONDS).name for _ in range(2)] == ["A", "B"]
    with pytest.raises(qmpx.ConnectionLost):
        events.get(SECONDS)
    with pytest.raises(qmpx.ConnectionLost):
        next(events)


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\xff\xfe garbage\n", b"(qemu) \r\n", b"{]\n", b"SSH-2.0-x\r\n", b"[1]\n"],
)
def test_garbage_ends_the_conversation_for_all(
    face: Face,
    path: str,
    by_hand: Callable[..., ByHand],
    pool: ThreadPoolExecutor,
    garbage: bytes,
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.read()
        peer.read()
        peer.send(garbage)

    by_hand(script)
    vm = face.connect(path)
    watching = pool.submit(list, vm.events())
    calls = [pool.submit(vm.execute, "x", timeout=None) for _ in range(2)]
    for call in (*calls, watching):
        with pytest.raises(qmpx.RemoteProtocolError, match="no QMP message"):
            call.result(SECONDS)
    assert not vm.is_connected


def test_closing_fails_the_calls_and_ends_the_iterations(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.read()
        peer.send(event("A"))

    by_hand(script)
    vm = face.connect(path)
    subscriptions = [vm.events() for _ in range(3)]
    watching = [pool.submit(list, each) for each in subscriptions]
    waiting = pool.submit(vm.events().get)
    call = pool.submit(vm.execute, "x", timeout=None)
    while vm_pending(vm) < 1 or not vm_has(subscriptions):
        time.sleep(0.001)
    vm.close()
    vm.close()
    with pytest.raises(qmpx.ConnectionLost, match=r"^this client was closed$"):
        call.result(SECONDS)
    for each in watching:
        assert [e.name for e in each.result(SECONDS)] == ["A"]
    assert waiting.result(SECONDS).name == "A"
    assert not vm.is_connected
    with pytest.raises(qmpx.ConnectionLost):
        vm.execute("x")
    with pytest.raises(qmpx.QmpxError):
        vm.events().get(SECONDS)
    with pytest.raises(qmpx.LocalProtocolError):
        subscriptions[0].get(SECONDS)


def vm_has(subscriptions: list[Any]) -> bool:
    """Tell whether the event came, whoever has taken it by now."""
    time.sleep(0.01)
    return bool(subscriptions)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "while calls wait"])
def test_closing_a_subscription_ends_who_iterates_over_it(
    face: Face,
    path: str,
    by_hand: Callable[..., ByHand],
    pool: ThreadPoolExecutor,
    busy: bool,
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        if busy:
            command = peer.read()
            assert peer.read()["execute"] == "go on"
            peer.send(reply(command))
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    call = pool.submit(vm.execute, "slow") if busy else None
    while busy and not vm_pending(vm):
        time.sleep(0.001)
    events, other = vm.events(), vm.events()
    watching = pool.submit(list, events)
    time.sleep(0.02)
    events.close()
    events.close()
    assert watching.result(SECONDS) == []
    with pytest.raises(qmpx.LocalProtocolError, match=r"^this subscription is closed"):
        events.get(SECONDS)
    # The client and its other subscriptions go on.
    with pytest.raises(qmpx.DeadlineExceeded):
        other.get(0.01)
    if call is not None:
        with pytest.raises(qmpx.DeadlineExceeded):
            vm.execute("go on", timeout=0.01)
        assert call.result(SECONDS) == "slow"
    assert vm.execute("x") == "x"


def test_a_closed_client_leaves_nothing_open(
    face: Face, path: str, by_hand: Callable[..., ByHand], open_fds: Callable[[], int]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.serve()

    before = open_fds()
    server = by_hand(script)
    for _ in range(5):
        vm = face.connect(path)
        with contextlib.suppress(qmpx.DeadlineExceeded):
            vm.events().get(0)  # who waits for events needs descriptors, too
        assert vm.execute("x") == "x"
        vm.close()
    server.stop()
    assert open_fds() == before


def test_closing_does_not_wait_for_a_peer_that_reads_nothing(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    closed = threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        closed.wait(SECONDS)

    by_hand(script)
    vm = face.connect(path)
    call = pool.submit(vm.execute, "x", {"a": "x" * 2_000_000}, timeout=None)
    time.sleep(0.05)
    vm.close()
    with pytest.raises(qmpx.ConnectionLost):
        call.result(SECONDS)
    closed.set()


# Bulk.


def test_many_threads_get_each_its_own_replies(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate("oob")
        partial = b""
        while data := peer.sock.recv(4096):
            *lines, partial = (partial + data).split(b"\n")
            # What came together is answered in the wrong order, with events between.
            for line in reversed(lines):
                command = json.loads(line)
                peer.send(event("TICK"), reply(command, command["arguments"]["v"]))

    by_hand(script)
    vm = face.connect(path)
    events = vm.events(limit=10_000)
    watching = pool.submit(lambda: [events.get(SECONDS).name for _ in range(1600)])

    def work(thread: int) -> list[str]:
        sent = [f"{thread}/{n}" for n in range(200)]
        assert [vm.execute("echo", {"v": v}) for v in sent] == sent
        return sent

    works = [pool.submit(work, n) for n in range(8)]
    for each in works:
        assert len(each.result(SECONDS)) == 200
    assert watching.result(SECONDS) == ["TICK"] * 1600
    assert vm.late_replies == 0


def test_a_big_batch_to_a_server_that_holds_back_does_not_block(
    face: Face, path: str
) -> None:
    monitor = qmpx.Monitor()

    @monitor.command("echo")
    def echo(*, text: str) -> str:
        return text

    with monitor.serve_in_thread(path):
        vm = face.connect(path)
        texts = [f"{n} " + "x" * 300 for n in range(10_000)]
        batch = [("echo", {"text": text}) for text in texts]
        assert vm.execute_many(batch) == texts
        assert vm.execute_many(batch) == texts
        vm.close()


def test_a_big_batch_and_calls_of_others_do_not_block_each_other(
    face: Face, path: str, pool: ThreadPoolExecutor
) -> None:
    monitor = qmpx.Monitor()

    @monitor.command("echo")
    def echo(*, text: str) -> str:
        monitor.emit("ECHO")
        return text

    with monitor.serve_in_thread(path):
        vm = face.connect(path)
        events = vm.events(limit=100_000)
        texts = [f"{n} " + "x" * 300 for n in range(3_000)]
        batch = [("echo", {"text": text}) for text in texts]
        batches = [pool.submit(vm.execute_many, batch) for _ in range(3)]

        def call(thread: int) -> None:
            for n in range(50):
                text = f"{thread}/{n}"
                assert vm.execute("echo", text=text) == text

        calls = [pool.submit(call, n) for n in range(4)]
        watching = pool.submit(lambda: [events.get(SECONDS) for _ in range(9_200)])
        for each in batches:
            assert each.result(SECONDS) == texts
        for done in calls:
            done.result(SECONDS)
        assert len(watching.result(SECONDS)) == 9_200
        vm.close()


def test_a_call_that_waits_is_answered_while_another_sends_much(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    reading = threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        waiting = peer.read()
        reading.wait(SECONDS)
        peer.send(reply(waiting))
        # Takes the next command only when its replies are taken.
        peer.send(*([event("FILL", "x" * 1000)] * 1000))
        peer.answer()

    by_hand(script)
    vm = face.connect(path)
    waiting = pool.submit(vm.execute, "waits")
    while not vm_pending(vm):
        time.sleep(0.001)
    sending = pool.submit(vm.execute, "much", {"a": "x" * 2_000_000})
    while vm_pending(vm) < 2:
        time.sleep(0.001)
    time.sleep(0.02)  # so that the sender finds no room while the other reads
    reading.set()
    assert waiting.result(SECONDS) == "waits"
    assert sending.result(SECONDS) == "much"


def test_a_deadline_holds_while_another_call_cannot_send(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    over = threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        over.wait(SECONDS)
        peer.answer()
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    stuck = pool.submit(vm.execute, "much", {"a": "x" * 2_000_000}, timeout=None)
    while not vm_pending(vm):
        time.sleep(0.001)
    time.sleep(0.02)
    waiting = pool.submit(vm.execute, "quick", timeout=0.02)
    with pytest.raises(qmpx.DeadlineExceeded):
        waiting.result(2.0)
    over.set()
    assert stuck.result(SECONDS) == "much"
    assert vm.execute("x") == "x"
