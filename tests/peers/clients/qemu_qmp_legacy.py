"""qemu.qmp's blocking client, QEMUMonitorProtocol."""

import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import Any

from tests.peers.clients.playing import Note, Place, Script, tried

legacy: Any = importlib.import_module("qemu.qmp.legacy")

script = Script()


@contextlib.contextmanager
def connected(place: Place) -> Iterator[Any]:
    """Connect, and close at the end."""
    client = legacy.QEMUMonitorProtocol(place.qmp)
    client.connect()
    try:
        yield client
    finally:
        client.close()


@script.scene
def greeting(place: Place, note: Note) -> None:
    client = legacy.QEMUMonitorProtocol(place.qmp)
    greeting = client.connect()
    note(greeting["QMP"]["capabilities"])
    note(greeting["QMP"]["version"]["qemu"])
    client.close()
    note(legacy.QEMUMonitorProtocol.parse_address(place.qmp) == place.qmp)


@script.scene
def commands(place: Place, note: Note) -> None:
    with connected(place) as client:
        note(client.cmd("query-status"))
        note(client.cmd_raw("query-name"))
        note(client.cmd_obj({"execute": "query-uuid"}))
        note(client.cmd_obj({"execute": "query-name", "id": "mine"}))
        note(tried(client.cmd, "nosuch"))
        note(client.cmd_raw("nosuch"))
        note(tried(client.cmd, "qom-list", path="/none"))
        note(client.cmd("qom-list", path="/machine/peripheral"))
        note(len(client.cmd("qom-list-types", implements="device")))


@script.scene
def events(place: Place, note: Note) -> None:
    with connected(place) as client:
        note(client.get_events())
        note(client.cmd("stop"))
        event = client.pull_event(wait=5.0)
        note(event.pop("timestamp").keys() == {"seconds", "microseconds"})
        note(event)
        note(client.pull_event())
        client.cmd("cont")
        client.cmd("stop")
        client.cmd("cont")
        note([event["event"] for event in client.get_events(wait=5.0)])
        client.cmd("stop")
        client.clear_events()
        note(client.get_events())
        note(tried(client.pull_event, wait=0.1))
        client.cmd("cont")


@script.scene
def people(place: Place, note: Note) -> None:
    with connected(place) as client:
        for line in ("info status", "nosuch", "info version"):
            note(client.cmd("human-monitor-command", **{"command-line": line}))


@script.scene
def descriptors(place: Place, note: Note) -> None:
    with connected(place) as client:
        fd = os.open(place.file("file"), os.O_RDWR | os.O_CREAT)
        client.send_fd_scm(fd)
        os.close(fd)
        added = client.cmd("add-fd")
        note(sorted(added))
        note(client.cmd("remove-fd", **{"fdset-id": added["fdset-id"]}))
        note(tried(client.cmd, "remove-fd", **{"fdset-id": added["fdset-id"]}))


@script.scene
def reconnecting(place: Place, note: Note) -> None:
    for _ in range(5):
        with connected(place) as client:
            client.settimeout(5.0)
            note(client.cmd("query-name"))


script.play()
