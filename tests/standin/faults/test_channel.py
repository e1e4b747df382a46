"""Each fault of the menu, as a client sees it: over a socket, byte by byte."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.standin.faults import FAULTS, Point
from tests.standin.faults.talk import negotiated, talking

if TYPE_CHECKING:
    from collections.abc import Callable

    from qmpx.testing import ServedMachine

GREETING = {
    "QMP": {
        "version": {
            "qemu": {"major": 7, "minor": 2, "micro": 22},
            "package": "qmpx",
        },
        "capabilities": ["oob", "async"],
    }
}
NAME = {"return": {"name": "box"}}
RTC = {"event": "RTC_CHANGE"}
STATUS = {"return": {"status": "running", "singlestep": False, "running": True}}

SHOWN: set[str] = set()


def shows(name: str) -> Callable[[Any], Any]:
    """Note that a test shows a fault; all of them must be shown."""

    def note(test: Any) -> Any:
        SHOWN.add(name)
        return test

    return note


# Connections.


@shows("client-refused")
def test_a_refused_client_sees_the_end_at_once(machine: ServedMachine) -> None:
    machine.faults.add("client-refused", nth=1)
    with talking(machine.path) as talk:
        assert talk.line() == b""
    with negotiated(machine.path):
        pass


@shows("second-client-refused")
def test_only_a_second_client_is_sent_away(machine: ServedMachine) -> None:
    machine.faults.add("second-client-refused", times=1)
    with negotiated(machine.path) as one:
        with talking(machine.path) as two:
            assert two.line() == b""
        one.send("query-name")
        assert one.message() == NAME


@shows("monitor-busy")
def test_a_client_of_a_busy_monitor_waits_until_the_other_has_gone(
    machine: ServedMachine,
) -> None:
    machine.faults.add("monitor-busy")
    with talking(machine.path) as two:
        two.negotiate()
        with talking(machine.path) as one:
            one.send("qmp_capabilities", 1)
            assert one.is_silent()
            two.sock.close()
            assert one.message() == GREETING
            assert one.message() == {"return": {}, "id": 1}


@shows("greeting-withheld")
def test_who_is_not_greeted_hears_nothing_whatever_they_say(
    machine: ServedMachine,
) -> None:
    machine.faults.add("greeting-withheld")
    with talking(machine.path) as talk:
        talk.send("qmp_capabilities")
        talk.send("quit")
        assert talk.is_silent()
        machine.clock.advance(1e6)
        assert talk.is_silent()
    assert machine.call(lambda: machine.machine.state.is_running)


@shows("greeting-late")
def test_a_late_greeting_comes_before_what_was_asked_meanwhile(
    machine: ServedMachine,
) -> None:
    machine.faults.add("greeting-late", seconds=60)
    with talking(machine.path) as talk:
        talk.send("qmp_capabilities", 1)
        assert talk.is_silent()
        machine.clock.advance(59)
        assert talk.is_silent()
        machine.clock.advance(1)
        assert talk.message() == GREETING
        assert talk.message() == {"return": {}, "id": 1}


@pytest.mark.parametrize("size", [0, 1, 40])
@shows("greeting-cut")
@shows("greeting-reset")
@pytest.mark.parametrize("kind", ["greeting-cut", "greeting-reset"])
def test_the_greeting_ends_early(machine: ServedMachine, kind: str, size: int) -> None:
    machine.faults.add(kind, bytes=size)
    with talking(machine.path) as talk:
        assert talk.line() == json.dumps(GREETING).encode()[:size]


@shows("greeting-malformed")
def test_something_else_comes_for_a_greeting(machine: ServedMachine) -> None:
    machine.faults.add("greeting-malformed", text="SSH-2.0-OpenSSH_9.2\r\n")
    with talking(machine.path) as talk:
        assert talk.line() == b"SSH-2.0-OpenSSH_9.2\r\n"


@shows("event-before-greeting")
def test_an_event_comes_before_the_greeting(machine: ServedMachine) -> None:
    machine.faults.add("event-before-greeting", event="NIC_RX", data={"name": "n0"})
    with talking(machine.path) as talk:
        assert talk.message() == {"event": "NIC_RX", "data": {"name": "n0"}}
        assert talk.message() == GREETING


@shows("event-during-negotiation")
def test_an_event_comes_where_the_negotiation_s_reply_is_awaited(
    machine: ServedMachine,
) -> None:
    machine.faults.add("event-during-negotiation")
    with talking(machine.path) as talk:
        assert talk.message() == GREETING
        talk.send("qmp_capabilities", 1)
        assert talk.message() == RTC
        assert talk.message() == {"return": {}, "id": 1}


@pytest.mark.parametrize("size", [0, 5, 130, 200])
@shows("cut-after")
def test_a_connection_ends_after_so_many_bytes(
    machine: ServedMachine, size: int
) -> None:
    machine.faults.add("cut-after", bytes=size)
    seen = b""
    with talking(machine.path) as talk:
        for name in ("qmp_capabilities", *["query-status"] * 9):
            try:
                talk.send(name)
            except BrokenPipeError:
                break
        while line := talk.line():
            seen += line
    assert len(seen) == size


@shows("slow-drip")
def test_all_comes_in_drops(machine: ServedMachine) -> None:
    machine.faults.add("slow-drip", bytes=1, seconds=0.001)
    with talking(machine.path) as talk:
        assert talk.sock.recv(65536) == b"{"
        assert talk.is_silent()
        talk.sock.settimeout(5)
        machine.clock.advance(0.002)
        seen = b""
        while len(seen) < 2:
            seen += talk.sock.recv(1)
        assert seen == b'"Q'
        machine.clock.advance(10)
        talk.line()
        talk.send("qmp_capabilities")
        talk.send("query-name")
        while machine.conversation.commands != ["query-name"]:
            pass
        machine.clock.advance(10)
        assert [talk.message(), talk.message()] == [{"return": {}}, NAME]


@shows("newlines-lost")
def test_messages_follow_each_other_with_nothing_between(
    machine: ServedMachine,
) -> None:
    machine.faults.add("newlines-lost")
    expected = [GREETING, {"return": {}}, NAME]
    with talking(machine.path) as talk:
        talk.send("qmp_capabilities")
        talk.send("query-name")
        text = b"".join(json.dumps(each).encode() for each in expected)
        seen = b""
        while len(seen) < len(text):
            seen += talk.sock.recv(65536)
    assert seen == text


# Commands.


@shows("command-failed")
def test_a_command_fails_as_it_is_told_to_and_is_not_run(
    machine: ServedMachine,
) -> None:
    machine.faults.add(
        "command-failed", command="stop", class_="DeviceNotActive", desc="no, thanks"
    )
    with negotiated(machine.path) as talk:
        talk.send("stop", 7)
        error = {"class": "DeviceNotActive", "desc": "no, thanks"}
        assert talk.message() == {"id": 7, "error": error}
        talk.send("query-status")
        assert talk.message() == STATUS


@shows("command-missing")
def test_a_command_is_missing_in_qemu_s_words(machine: ServedMachine) -> None:
    machine.faults.add("command-missing", command="query-status")
    with negotiated(machine.path) as talk:
        talk.send("query-status", 7)
        desc = "The command query-status has not been found"
        error = {"class": "CommandNotFound", "desc": desc}
        assert talk.message() == {"id": 7, "error": error}


@shows("command-lost")
def test_a_lost_command_is_neither_run_nor_answered(machine: ServedMachine) -> None:
    machine.faults.add("command-lost", command="stop")
    with negotiated(machine.path) as talk:
        talk.send("stop", 1)
        talk.send("query-status")
        assert talk.message() == STATUS


@shows("command-answered")
def test_a_command_is_answered_as_the_test_says(machine: ServedMachine) -> None:
    failed = {"event": "JOB_FAILED", "data": {"id": "j"}, "after": 30}
    machine.faults.add(
        "command-answered", command="query-jobs", return_=[{"id": "j"}], events=[failed]
    )
    with negotiated(machine.path) as talk:
        talk.send("query-jobs", 1)
        assert talk.message() == {"return": [{"id": "j"}], "id": 1}
        machine.clock.advance(29)
        assert talk.is_silent()
        machine.clock.advance(1)
        assert talk.message() == {"event": "JOB_FAILED", "data": {"id": "j"}}


@shows("unplug-refused")
@pytest.mark.parametrize(
    ("event", "data"),
    [
        (
            "DEVICE_UNPLUG_GUEST_ERROR",
            {"device": "nic1", "path": "/machine/peripheral/nic1"},
        ),
        (
            "MEM_UNPLUG_ERROR",
            {"device": "nic1", "msg": "the guest refused to let the device go"},
        ),
    ],
)
def test_a_guest_does_not_let_a_device_go(
    machine: ServedMachine, event: str, data: dict[str, Any]
) -> None:
    machine.faults.add("unplug-refused", event=event, seconds=2)
    with negotiated(machine.path) as talk:
        talk.send("device_del", 1, id="nic1")
        assert talk.message() == {"return": {}, "id": 1}
        assert talk.is_silent()
        machine.clock.advance(2)
        assert talk.message() == {"event": event, "data": data}


@shows("unplug-ignored")
def test_a_guest_does_nothing_about_a_device(machine: ServedMachine) -> None:
    machine.faults.add("unplug-ignored")
    with negotiated(machine.path) as talk:
        talk.send("device_del", 1, id="nic1")
        assert talk.message() == {"return": {}, "id": 1}
        machine.clock.advance(1e6)
        assert talk.is_silent()


# Replies.


@shows("reply-late")
def test_a_late_reply_holds_those_behind_it_but_no_event(
    machine: ServedMachine,
) -> None:
    machine.faults.add("reply-late", command="query-name", seconds=180)
    with negotiated(machine.path) as talk:
        talk.send("query-name", 1)
        talk.send("query-status", 2)
        talk.send("stop", 3)
        assert talk.message() == {"event": "STOP"}
        assert talk.is_silent()
        machine.clock.advance(180)
        assert talk.message() == NAME | {"id": 1}
        assert talk.message() == STATUS | {"id": 2}
        assert talk.message() == {"return": {}, "id": 3}


def test_a_late_reply_may_be_overtaken(machine: ServedMachine) -> None:
    machine.faults.add("reply-late", command="query-name", seconds=9, overtakable=True)
    with negotiated(machine.path) as talk:
        talk.send("query-name", 1)
        talk.send("query-status", 2)
        assert talk.message() == STATUS | {"id": 2}
        machine.clock.advance(9)
        assert talk.message() == NAME | {"id": 1}


@shows("reply-lost")
def test_a_command_is_run_and_its_reply_lost(machine: ServedMachine) -> None:
    machine.faults.add("reply-lost", command="stop")
    with negotiated(machine.path) as talk:
        talk.send("stop", 1)
        assert talk.message() == {"event": "STOP"}
        talk.send("query-status", 2)
        assert talk.message()["return"]["status"] == "paused"


@shows("reply-twice")
def test_a_reply_comes_twice(machine: ServedMachine) -> None:
    machine.faults.add("reply-twice")
    with negotiated(machine.path) as talk:
        talk.send("query-name", 1)
        assert [talk.message(), talk.message()] == [NAME | {"id": 1}] * 2


@shows("reply-wrong-id")
@pytest.mark.parametrize("id_", ["other", 0, None, {"a": [1]}])
def test_a_reply_has_another_id(machine: ServedMachine, id_: object) -> None:
    machine.faults.add("reply-wrong-id", id=id_)
    with negotiated(machine.path) as talk:
        talk.send("query-name", 1)
        assert talk.message() == NAME | {"id": id_}


@shows("reply-without-id")
def test_a_reply_has_no_id(machine: ServedMachine) -> None:
    machine.faults.add("reply-without-id")
    with negotiated(machine.path) as talk:
        talk.send("query-name", 1)
        assert talk.message() == NAME


@shows("reply-cut")
@pytest.mark.parametrize("size", [0, 1, 12])
def test_the_connection_ends_within_a_reply(machine: ServedMachine, size: int) -> None:
    machine.faults.add("reply-cut", command="query-name", bytes=size)
    with negotiated(machine.path) as talk:
        talk.send("query-status")
        talk.send("query-name")
        assert talk.message() == STATUS
        assert talk.line() == json.dumps(NAME).encode()[:size]


@shows("reply-garbage")
def test_garbage_comes_before_a_reply(machine: ServedMachine) -> None:
    machine.faults.add("reply-garbage", text="HTTP/1.1 400\r\n")
    with negotiated(machine.path) as talk:
        talk.send("query-name")
        assert talk.line() == b"HTTP/1.1 400\r\n"
        assert talk.message() == NAME


@shows("reply-dripped")
def test_a_reply_comes_in_drops_and_the_next_one_behind_it(
    machine: ServedMachine,
) -> None:
    machine.faults.add("reply-dripped", nth=1, bytes=4, seconds=1)
    text = json.dumps(NAME).encode()
    with negotiated(machine.path) as talk:
        talk.send("query-name")
        talk.send("query-status")
        assert talk.sock.recv(65536) == text[:4]
        assert talk.is_silent()
        machine.clock.advance(1)
        assert talk.sock.recv(65536) == text[4:8]
        machine.clock.advance(len(text))
        assert talk.line() == text[8:] + b"\r\n"
        assert talk.message() == STATUS


@shows("reply-oversized")
def test_a_reply_is_huge(machine: ServedMachine) -> None:
    machine.faults.add("reply-oversized", bytes=300_000)
    with negotiated(machine.path) as talk:
        talk.send("query-name", 1)
        line = talk.line()
        assert 300_000 <= len(line) < 300_100
        message = json.loads(line)
        assert set(message.pop("x-qmpx-padding")) == {"x"}
        assert message == NAME | {"id": 1}


@shows("reply-endless")
def test_a_reply_does_not_end(machine: ServedMachine) -> None:
    machine.faults.add("reply-endless", bytes=1_000_000)
    with negotiated(machine.path) as talk:
        talk.send("query-name")
        talk.send("query-status")
        beginning = json.dumps(NAME)[:-1].encode() + b', "x-qmpx-endless": "'
        seen = b""
        while len(seen) < len(beginning) + 1_000_000:
            seen += talk.sock.recv(65536)
        assert seen == beginning + b"x" * 1_000_000
        assert talk.is_silent()


@shows("reply-patched")
def test_what_is_returned_is_changed_on_the_way(machine: ServedMachine) -> None:
    machine.faults.add(
        "reply-patched",
        command="query-status",
        set={"status": "suspended-to-the-moon", "x.y": 1, "load": 2**64 - 1},
        remove=["singlestep", "no.such"],
    )
    machine.faults.add(
        "reply-patched",
        command="query-block",
        set={"0.locked": None, "99.locked": 1},
        remove=["1"],
    )
    with negotiated(machine.path) as talk:
        talk.send("query-status")
        assert talk.message() == {
            "return": {
                "status": "suspended-to-the-moon",
                "running": True,
                "load": 2**64 - 1,
            }
        }
        talk.send("query-block")
        drives = talk.message()["return"]
        assert [(each["device"], each["locked"]) for each in drives] == [
            ("ide0-hd0", None)
        ]
        talk.send("nothing")
        assert "error" in talk.message()


@shows("reply-after-event")
def test_a_reply_waits_for_an_event(machine: ServedMachine) -> None:
    machine.faults.add("reply-after-event", command="query-name", event="LATE")
    with negotiated(machine.path) as talk:
        talk.send("query-name")
        assert talk.is_silent()
        machine.emit("OTHER")
        machine.emit("LATE")
        assert talk.message() == {"event": "OTHER"}
        assert talk.message() == {"event": "LATE"}
        assert talk.message() == NAME


@shows("events-after-reply")
def test_events_come_after_the_reply(machine: ServedMachine) -> None:
    machine.faults.add("events-after-reply", command="stop")
    with negotiated(machine.path) as talk:
        talk.send("stop")
        talk.send("cont")
        assert talk.message() == {"return": {}}
        assert talk.message() == {"event": "STOP"}
        assert talk.message() == {"event": "RESUME"}
        assert talk.message() == {"return": {}}


# Events.


@shows("event-lost")
def test_an_event_does_not_come(machine: ServedMachine) -> None:
    machine.faults.add("event-lost", event_name="STOP")
    with negotiated(machine.path) as talk:
        talk.send("stop")
        talk.send("cont")
        assert talk.message() == {"return": {}}
        assert talk.message() == {"event": "RESUME"}


@shows("event-twice")
def test_an_event_comes_twice(machine: ServedMachine) -> None:
    machine.faults.add("event-twice", event_name="ST*")
    with negotiated(machine.path) as talk:
        talk.send("stop")
        assert [talk.message() for _ in range(3)] == [
            {"event": "STOP"},
            {"event": "STOP"},
            {"return": {}},
        ]


@shows("event-late")
def test_an_event_comes_late(machine: ServedMachine) -> None:
    machine.faults.add("event-late", event_name="STOP", seconds=5)
    with negotiated(machine.path) as talk:
        talk.send("stop")
        talk.send("cont")
        assert talk.message() == {"return": {}}
        assert talk.message() == {"event": "RESUME"}
        assert talk.message() == {"return": {}}
        machine.clock.advance(5)
        assert talk.message() == {"event": "STOP"}


@shows("event-storm")
@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_events_come_in_a_storm(machine: ServedMachine, seconds: float) -> None:
    with negotiated(machine.path) as talk:
        machine.faults.add("event-storm", count=200, seconds=seconds, at=1.0)
        assert talk.is_silent()
        machine.clock.advance(1)
        machine.clock.advance(200)
        assert [talk.message() for _ in range(200)] == [RTC] * 200
        talk.send("query-name")
        assert talk.message() == NAME


def test_a_storm_does_not_grow_in_front_of_who_does_not_read(
    machine: ServedMachine,
) -> None:
    machine.faults.add("event-storm", command="query-name", count=10_000)
    with negotiated(machine.path) as talk:
        talk.send("query-name")
        for _ in range(20):
            unsent = machine.call(_unsent, machine)
            assert unsent < 128 * 1024
        seen = [talk.message() for _ in range(10_001)]
        assert seen.count(RTC) == 10_000


def _unsent(machine: ServedMachine) -> int:
    servers = list(machine.monitor.servers)
    channels = [session.channel for server in servers for session in server.sessions]
    return sum(channel.unsent for channel in channels if channel is not None)


# Whatever they are said to come with.


@shows("mute")
def test_a_mute_monitor_goes_on_where_it_stopped(machine: ServedMachine) -> None:
    with negotiated(machine.path) as talk:
        machine.faults.add("mute", at=1, seconds=60)
        machine.clock.advance(1)
        talk.send("query-name")
        machine.emit("X")
        assert talk.is_silent()
        machine.clock.advance(60)
        assert talk.message() == {"event": "X"}
        assert talk.message() == NAME


@shows("hang-up")
@shows("connection-reset")
@pytest.mark.parametrize("kind", ["hang-up", "connection-reset"])
def test_the_connection_ends_and_the_command_is_not_run(
    machine: ServedMachine, kind: str
) -> None:
    machine.faults.add(kind, command="stop")
    with negotiated(machine.path) as talk:
        talk.sock.sendall(
            b'{"execute": "query-name"}\n{"execute": "stop"}\n{"execute": "stop"}\n'
        )
        assert talk.message() == NAME
        assert talk.line() == b""
    assert machine.call(lambda: machine.machine.state.is_running)


def test_a_reset_is_a_reset_on_tcp() -> None:
    from qmpx.cli.serve import demo_machine, make_monitor
    from qmpx.standin.faults import FaultPlan

    plan = FaultPlan()
    plan.add("connection-reset", command="query-name")
    monitor = make_monitor(demo_machine(), "modern")
    plan.attach(monitor)
    with monitor.serve_in_thread("tcp:127.0.0.1:0", grace=0.0) as server:
        port = int(str(server.addresses[0]).rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            lines = sock.makefile("rb")
            lines.readline()
            sock.sendall(b'{"execute": "qmp_capabilities"}\n')
            lines.readline()
            sock.sendall(b'{"execute": "query-name"}\n')
            with pytest.raises(ConnectionResetError):
                lines.readline()
            lines.close()


def test_every_fault_that_a_client_sees_has_a_test() -> None:
    # Those of processes and of sockets are in other files.
    others = {"crash", "hang-then-die"}
    seen = {x.name for x in FAULTS.values() if x.point is not Point.LISTENING}
    assert seen - others == SHOWN
