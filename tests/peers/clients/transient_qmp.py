"""transient's QmpClient: threads, CR LF; it removes the socket that it connects to."""

import importlib
import threading
from typing import Any

from tests.peers.clients.playing import SECONDS, Note, Place, Script
from tests.peers.clients.relay import relay_at

qemu: Any = importlib.import_module("transient.qemu")

script = Script()


@script.scene
def commands(place: Place, note: Note) -> None:
    with relay_at(place.file("one"), place.qmp) as path:
        client = qemu.QmpClient(path)
        client.connect()
        version = client.send_sync({"execute": "query-version"})
        note([version["id"], version["return"]["qemu"]])
        note(client.send_sync({"execute": "query-name"}))
        note(client.send_sync({"execute": "nosuch"}))
        note(client.send_sync({"execute": "stop", "arguments": {"x": 1}}))


@script.scene
def callbacks(place: Place, note: Note) -> None:
    with relay_at(place.file("two"), place.qmp) as path:
        client = qemu.QmpClient(path)
        client.connect()
        heard: list[str] = []
        resumed = threading.Event()
        client.register_callback("STOP", lambda event: heard.append(event["event"]))
        client.register_callback("RESUME", lambda _: resumed.set())
        note(client.send_sync({"execute": "stop"}))
        note(heard)
        note(client.send_sync({"execute": "cont"}))
        note(resumed.wait(SECONDS))
        replies: list[Any] = []
        all_there = threading.Event()

        def keep(reply: Any) -> None:
            replies.append(reply)
            if len(replies) == 20:
                all_there.set()

        for _ in range(20):
            client.send_async({"execute": "query-name"}, keep)
        note(all_there.wait(SECONDS))
        note(replies)


@script.scene
def power(place: Place, note: Note) -> None:
    with relay_at(place.file("three"), place.qmp) as path:
        client = qemu.QmpClient(path)
        client.connect()
        pressed = threading.Event()
        client.register_callback("POWERDOWN", lambda _: pressed.set())
        note(client.send_sync({"execute": "system_powerdown"}))
        note(pressed.wait(SECONDS))
        note(client.send_sync({"execute": "query-status"}))
        ended = threading.Event()
        reasons: list[Any] = []

        def end(event: Any) -> None:
            reasons.append(event["data"])
            ended.set()

        client.register_callback("SHUTDOWN", end)
        note(client.send_sync({"execute": "quit"}))
        note(ended.wait(SECONDS))
        note(reasons)


script.play()
