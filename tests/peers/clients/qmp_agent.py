"""qemu.qmp before a guest agent, as QEMU's qemu-ga-client is: nothing is negotiated."""

import base64
import importlib
from typing import Any

from tests.peers.clients.playing import Note, Place, Script, tried

legacy: Any = importlib.import_module("qemu.qmp.legacy")

script = Script()


def connect(place: Place) -> Any:
    """Return a client; the agent greets nobody."""
    client = legacy.QEMUMonitorProtocol(place.qmp)
    client.connect(negotiate=False)
    client.settimeout(3)
    place.opened.append(client)
    return client


@script.scene
def what_the_tool_does(place: Place, note: Note) -> None:
    client = connect(place)
    note(client.cmd_raw("guest-ping"))
    note(client.cmd_raw("guest-sync", {"id": (1 << 32) - 1}))
    told = client.cmd("guest-info")
    note(sorted(told))
    note([each["name"] for each in told["supported_commands"] if not each["enabled"]])
    note(client.cmd("guest-fsfreeze-status"))
    found = client.cmd("guest-network-get-interfaces")
    (loopback,) = [each for each in found if each["name"] == "lo"]
    note(loopback["hardware-address"])
    note(next(sorted(each) for each in loopback["ip-addresses"]))


@script.scene
def a_file_is_read(place: Place, note: Note) -> None:
    client = connect(place)
    handle = client.cmd("guest-file-open", path="/etc/hosts")
    data, is_read = b"", False
    while not is_read:
        told = client.cmd("guest-file-read", handle=handle, count=16)
        data += base64.b64decode(told["buf-b64"])
        is_read = told["eof"]
    note(b"localhost" in data)
    note(client.cmd_raw("guest-file-close", {"handle": handle}))
    note(tried(client.cmd, "guest-file-open", path="/nosuch"))
    note(tried(client.cmd, "guest-nosuch"))


@script.scene
def ids_come_back(place: Place, note: Note) -> None:
    client = connect(place)
    for id_ in ("x", "", "7"):
        note(client.cmd_obj({"execute": "guest-ping", "id": id_}))
    note(tried(client.cmd_obj, {"execute": "qmp_capabilities"}))


script.play()
