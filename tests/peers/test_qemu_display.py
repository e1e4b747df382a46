"""The display's commands of today, on a real QEMU and on ours: the same answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.dialects.modern import modern_monitor
from qmpx.machine import Machine
from tests.loop_thread import LoopThread
from tests.loops import short_directory

if TYPE_CHECKING:
    from tests.peers.conftest import StartQemu

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

Call = tuple[str, dict[str, Any]]


def key(name: str) -> dict[str, Any]:
    """Return a key by its name."""
    return {"type": "qcode", "data": name}


def screendump(**arguments: Any) -> Call:
    return "screendump", arguments


def password(**arguments: Any) -> Call:
    return "set_password", {"protocol": "vnc", "password": "abc", **arguments}


def expiry(time: str, **arguments: Any) -> Call:
    return "expire_password", {"protocol": "vnc", "time": time, **arguments}


def event(kind: str, **data: Any) -> Call:
    return "input-send-event", {"events": [{"type": kind, "data": data}]}


CALLS: list[Call] = [
    ("query-vnc", {}),
    ("query-vnc-servers", {}),
    screendump(filename="/nonexistent/q"),
    screendump(filename="/nonexistent/q", format="png"),
    screendump(filename="q", format="gif"),
    screendump(filename="q", head=1),
    screendump(filename="q", device="foo"),
    screendump(filename="q", device="foo", head=0),
    screendump(),
    password(),
    password(connected="keep"),
    password(connected="fail"),
    password(connected="disconnect"),
    password(connected="foo"),
    password(display="foo"),
    password(protocol="foo"),
    password(protocol="spice"),
    expiry("now"),
    expiry("never"),
    expiry("+10"),
    expiry("123"),
    expiry("foo"),
    expiry("now", display="foo"),
    expiry("now", protocol="spice"),
    ("change-vnc-password", {"password": "x"}),
    ("change-vnc-password", {"password": ""}),
    ("query-vnc", {}),
    ("send-key", {"keys": [key("a"), key("volumeup"), key("meta_l")]}),
    ("send-key", {"keys": [{"type": "number", "data": 300}]}),
    ("send-key", {"keys": [key("nokey")]}),
    ("send-key", {"keys": [key("unmapped")], "hold-time": 5}),
    ("send-key", {"keys": []}),
    ("send-key", {"keys": [{"type": "foo", "data": 1}]}),
    ("send-key", {"keys": [{"type": "qcode"}]}),
    event("key", down=True, key=key("a")),
    event("key", down=True, key=key("nokey")),
    event("abs", axis="x", value=100),
    event("abs", axis="z", value=100),
    event("btn", down=True, button="left"),
    event("btn", down=True, button="fourth"),
    event("foo"),
    ("input-send-event", {"device": "foo", "events": []}),
]


def answers(address: str) -> list[Any]:
    """Return what each call gives."""
    given: list[Any] = []
    with qmpx.connect(address) as vm:
        for name, arguments in CALLS:
            try:
                given.append((name, arguments, vm.execute(name, arguments)))
            except qmpx.CommandError as error:
                given.append((name, arguments, error.error_class, error.desc))
    return given


@pytest.mark.parametrize("vnc", ["", "unix", "unix,password"])
def test_a_real_qemu_answers_the_same(qemu: StartQemu, vnc: str) -> None:
    with short_directory() as directory, LoopThread() as thread:
        path = directory / "vnc"
        options = vnc.replace("unix", f"unix:{path}")
        more = ("-vnc", options.replace("password", "password=on")) if vnc else ()
        machine = qemu("-machine", "pc", "-vga", "std", *more)
        expected = answers(f"unix:{machine.qmp}")
        machine.process.kill()
        machine.process.wait()
        path.unlink(missing_ok=True)
        ours = Machine()
        display, monitor = ours.display, modern_monitor(ours)
        if vnc:
            thread.run(lambda: display.vnc.open(options))
        server = monitor.serve(directory / "qmp")
        thread.wait_for(server.__aenter__())
        try:
            given = answers(f"unix:{directory / 'qmp'}")
        finally:
            thread.run(display.close)
            thread.wait_for(server.close())
        for answer, wanted in zip(given, expected, strict=True):
            assert answer == wanted
