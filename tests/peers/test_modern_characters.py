"""Character devices: the same requests to a real QEMU and to our machine."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.twins import Twins, twins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]


@pytest.fixture(scope="module")
def both() -> Iterator[Twins]:
    """Keep one pair for what leaves nothing behind."""
    with twins() as pair:
        yield pair


def normal(value: Any) -> Any:
    """Return messages without what the host chooses: ports and terminals."""
    match value:
        case str():
            value = re.sub(r"/dev/pts/\d+", "/dev/pts/N", value)
            return re.sub(r"(127\.0\.0\.1:)\d{2,}", r"\1PORT", value)
        case list():
            return [normal(each) for each in value]
        case dict():
            return {key: normal(each) for key, each in value.items()}
    return value


def alike(told: tuple[Any, Any]) -> Any:
    """Look whether both said the same, and return it."""
    theirs, ours = (normal(each) for each in told)
    assert ours == theirs
    return ours


def unix(path: str) -> dict[str, Any]:
    """Return the address of a UNIX socket."""
    return {"type": "unix", "data": {"path": path}}


def inet(port: str) -> dict[str, Any]:
    """Return an address of this host."""
    return {"type": "inet", "data": {"host": "127.0.0.1", "port": port}}


BACKENDS: list[dict[str, Any]] = [
    {"type": "null", "data": {}},
    {"type": "null"},
    {"type": "null", "data": {"x": 1}},
    {"type": "file", "data": {"out": "/dev/null"}},
    {"type": "file", "data": {"out": "/nope/x"}},
    {"type": "file", "data": {}},
    {"type": "pipe", "data": {"device": "/nope/x"}},
    {"type": "serial", "data": {"device": "/nope/x"}},
    {"type": "parallel", "data": {"device": "/nope/x"}},
    {"type": "ringbuf", "data": {}},
    {"type": "ringbuf", "data": {"size": 1000}},
    {"type": "memory", "data": {"size": 4096}},
    {"type": "pty", "data": {}},
    {"type": "testdev", "data": {}},
    {"type": "udp", "data": {"remote": inet("9")}},
    {"type": "mux", "data": {"chardev": "nothing"}},
    {"type": "nothing", "data": {}},
    {"data": {}},
    {"type": "socket", "data": {}},
    {"type": "socket", "data": {"addr": {"type": "x"}}},
    {"type": "socket", "data": {"addr": unix("/nope/x"), "wait": False}},
    {"type": "socket", "data": {"addr": unix("/nope/x"), "server": False}},
    {"type": "socket", "data": {"addr": inet("0"), "wait": False}},
    {"type": "socket", "data": {"addr": inet("0"), "wait": False, "telnet": True}},
    {"type": "socket", "data": {"addr": inet("0"), "wait": False, "reconnect": 5}},
    {"type": "socket", "data": {"addr": inet("1"), "server": False}},
    {"type": "socket", "data": {"addr": inet("1"), "server": False, "wait": False}},
    {"type": "socket", "data": {"addr": {"type": "fd", "data": {"str": "no"}}}},
]


@pytest.mark.parametrize("backend", BACKENDS, ids=str)
def test_backends_are_made_and_refused_alike(
    both: Twins, backend: dict[str, Any]
) -> None:
    told = alike(both.run("chardev-add", id="new0", backend=backend))
    theirs, ours = (of(each[0]["return"], "new0") for each in both.run("query-chardev"))
    assert normal(ours) == normal(theirs)
    if "return" in told[0]:
        alike(both.run("chardev-remove", id="new0"))
    alike(both.run("chardev-remove", id="new0"))


def of(told: list[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    """Return what was told of one device."""
    return [each for each in told if each["label"] == label]


def test_names_are_taken_and_refused_alike(both: Twins) -> None:
    null = {"type": "null", "data": {}}
    for label in ("a", "a", "1b"):
        alike(both.run("chardev-add", id=label, backend=null))
    for label in ("a", "1b", "nothing"):
        alike(both.run("chardev-send-break", id=label))
    alike(both.run("chardev-change", id="nothing", backend=null))
    file = {"type": "file", "data": {"out": "/dev/null"}}
    alike(both.run("chardev-change", id="a", backend=file))
    theirs, ours = (of(each[0]["return"], "a") for each in both.run("query-chardev"))
    assert (
        ours == theirs == [{"label": "a", "filename": "file", "frontend-open": False}]
    )
    for label in ("a", "1b", "nothing"):
        alike(both.run("chardev-remove", id=label))


def test_a_shared_device_is_busy_alike() -> None:
    with twins() as both:
        alike(both.run("chardev-add", id="base", backend={"type": "null", "data": {}}))
        mux = {"type": "mux", "data": {"chardev": "base"}}
        alike(both.run("chardev-add", id="shared", backend=mux))
        for label in ("base", "shared"):
            alike(both.run("chardev-remove", id=label))


RING: list[tuple[str, dict[str, Any]]] = [
    ("ringbuf-write", {"device": "ring", "data": "hello"}),
    ("ringbuf-write", {"device": "ring", "data": "aGVsbG8=", "format": "base64"}),
    ("ringbuf-write", {"device": "ring", "data": "!!", "format": "base64"}),
    ("ringbuf-write", {"device": "ring", "data": "x", "format": "hex"}),
    ("ringbuf-write", {"device": "plain", "data": "x"}),
    ("ringbuf-write", {"device": "nothing", "data": "x"}),
    ("ringbuf-read", {"device": "ring", "size": 3}),
    ("ringbuf-read", {"device": "ring", "size": 100, "format": "base64"}),
    ("ringbuf-read", {"device": "ring", "size": 0}),
    ("ringbuf-read", {"device": "ring", "size": -1}),
    ("ringbuf-read", {"device": "plain", "size": 1}),
    ("ringbuf-read", {"device": "nothing", "size": 1}),
    ("ringbuf-write", {"device": "ring", "data": "/+7v", "format": "base64"}),
    ("ringbuf-read", {"device": "ring", "size": 10}),
    ("ringbuf-write", {"device": "ring", "data": "a\0bé"}),
    ("ringbuf-read", {"device": "ring", "size": 2}),
    ("ringbuf-read", {"device": "ring", "size": 20}),
    ("ringbuf-write", {"device": "ring", "data": "AGEA", "format": "base64"}),
    ("ringbuf-read", {"device": "ring", "size": 2}),
    ("ringbuf-write", {"device": "ring", "data": "x" * 1000 + "end" * 10}),
    ("ringbuf-read", {"device": "ring", "size": 5000}),
]


def test_ring_buffers_keep_alike() -> None:
    with twins() as both:
        ring = {"type": "ringbuf", "data": {"size": 1024}}
        alike(both.run("chardev-add", id="ring", backend=ring))
        alike(both.run("chardev-add", id="plain", backend={"type": "null", "data": {}}))
        for name, arguments in RING:
            alike((both.theirs.run(name, arguments), both.ours.run(name, arguments)))


def test_sockets_that_are_handed_over_wait_for_clients_alike(
    both: Twins, tmp_path: Path
) -> None:
    for number, talk in enumerate((both.theirs, both.ours)):
        path = tmp_path / str(number)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen(1)
            told = talk.run("getfd", {"fdname": "s"}, fds=[listening.fileno()])
            assert told == [{"return": {}}]
        address = {"type": "fd", "data": {"str": "s"}}
        backend = {"type": "socket", "data": {"addr": address, "wait": False}}
        told = talk.run("chardev-add", {"id": "handed", "backend": backend})
        assert told == [{"return": {}}]
        (device,) = of(talk.run("query-chardev")[0]["return"], "handed")
        assert device["filename"] == f"disconnected:unix:{path},server=on"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            while device["filename"].startswith("disconnected"):
                (device,) = of(talk.run("query-chardev")[0]["return"], "handed")
            assert device["filename"] == f"unix:{path},server=on"
        talk.run("chardev-remove", {"id": "handed"})
        assert not path.exists()


def test_an_own_socket_goes_with_its_device_alike(both: Twins, tmp_path: Path) -> None:
    for number, talk in enumerate((both.theirs, both.ours)):
        path = tmp_path / str(number)
        data = {"addr": unix(str(path)), "wait": False}
        backend = {"type": "socket", "data": data}
        talk.run("chardev-add", {"id": "own", "backend": backend})
        assert path.is_socket()
        talk.run("chardev-remove", {"id": "own"})
        assert not path.exists()


def test_a_set_of_descriptors_is_a_file_alike(tmp_path: Path) -> None:
    with twins() as both:
        for number, talk in enumerate((both.theirs, both.ours)):
            path = tmp_path / str(number)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT)
            talk.run("add-fd", {"fdset-id": 3}, fds=[fd])
            os.close(fd)
            data = {"out": "/dev/fdset/3", "append": True}
            backend = {"type": "file", "data": data}
            told = talk.run("chardev-add", {"id": "set", "backend": backend})
            assert told == [{"return": {}}]
            data["out"] = "/dev/fdset/4"
            refused = talk.run("chardev-add", {"id": "no", "backend": backend})
            assert "error" in refused[0]
