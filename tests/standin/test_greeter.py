"""Greeting before, and while, all else is imported."""

from __future__ import annotations

import socket
import sys
import threading
from typing import TYPE_CHECKING

from qmpx.standin.endpoints import Endpoint
from qmpx.standin.greeter import PROMPT, Greeter
from qmpx.standin.option_lists import OptionList

if TYPE_CHECKING:
    from pathlib import Path

GREETING = b'{"QMP": {"version": {"qemu": {}}, "capabilities": ["oob"]}}\r\n'


def an_open_endpoint(path: Path) -> Endpoint:
    text = f"socket,id=m,path={path},server=on,wait=off"
    endpoint = Endpoint(
        "m", OptionList("-chardev", text, None, "backend"), is_control=True
    )
    endpoint.open(print)
    return endpoint


def test_threads_take_turns_quickly_while_it_greets_and_as_before_afterwards(
    tmp_path: Path,
) -> None:
    endpoint = an_open_endpoint(tmp_path / "m")
    before = sys.getswitchinterval()
    greeter = Greeter([endpoint], b"{}")
    try:
        assert round(sys.getswitchinterval(), 6) == PROMPT
    finally:
        greeter.stop()
        endpoint.close()
    assert sys.getswitchinterval() == before


def test_who_waits_already_is_greeted_without_a_thread(tmp_path: Path) -> None:
    endpoint = an_open_endpoint(tmp_path / "m")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "m"))
        before = threading.active_count()
        greeter = Greeter([endpoint], b'{"qemu": {}}')
        assert threading.active_count() == before
        assert client.recv(4096) == GREETING
        greeter.stop()
    assert endpoint.is_greeted
    endpoint.close()


def test_who_comes_later_is_greeted_by_a_thread(tmp_path: Path) -> None:
    endpoint = an_open_endpoint(tmp_path / "m")
    greeter = Greeter([endpoint], b'{"qemu": {}}')
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(tmp_path / "m"))
            assert client.recv(4096) == GREETING
    finally:
        greeter.stop()
    assert endpoint.is_greeted
    endpoint.close()


def test_a_client_that_has_gone_again_holds_up_nobody(tmp_path: Path) -> None:
    endpoint = an_open_endpoint(tmp_path / "m")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "m"))
    Greeter([endpoint], b"{}").stop()
    assert endpoint.connected is not None
    assert not endpoint.is_greeted
    endpoint.close()
