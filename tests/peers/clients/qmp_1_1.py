"""The package qmp, 1.1.0: the client that came with QEMU 5.0."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from tests.peers.clients.playing import Note, Place, Script, tried

qmp: Any = importlib.import_module("qmp")

script = Script()


@contextlib.contextmanager
def connected(place: Place) -> Iterator[Any]:
    """Connect, and close at the end."""
    client = qmp.QEMUMonitorProtocol(place.qmp)
    client.connect()
    try:
        yield client
    finally:
        client.close()


@script.scene
def greeting(place: Place, note: Note) -> None:
    client = qmp.QEMUMonitorProtocol(place.qmp)
    told = client.connect()
    note(told["QMP"]["version"]["qemu"])
    client.close()
    client = qmp.QEMUMonitorProtocol(place.qmp)
    note(client.connect(negotiate=False))
    note(client.cmd("query-status"))
    note(client.cmd("qmp_capabilities"))
    note(client.cmd("query-status"))
    note(client.is_scm_available())
    client.close()


@script.scene
def commands(place: Place, note: Note) -> None:
    with connected(place) as client:
        note(client.cmd("query-version")["return"]["qemu"])
        ids: tuple[Any, ...] = ("text", 5, -1.5, None, [1, "a"], {"a": {"b": []}}, True)
        for id_ in ids:
            note(client.cmd("query-status", cmd_id=id_))
        note(client.cmd_obj({"execute": "query-status", "id": "mine"}))
        note(client.cmd("nosuch", cmd_id=7))
        note(tried(client.command, "nosuch"))
        note(client.command("query-status"))
        note(client.cmd("stop", {"x": 1}))
        note(len(client.command("query-commands")) > 200)


@script.scene
def events(place: Place, note: Note) -> None:
    with connected(place) as client:
        client.clear_events()
        note(client.command("stop"))
        note(client.pull_event()["event"])
        note(client.pull_event())
        client.command("cont")
        note([event["event"] for event in client.get_events(wait=5.0)])
        client.clear_events()
        note(tried(client.pull_event, wait=0.1))


script.play()
