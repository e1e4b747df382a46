"""dbxdebug's QMPClient, made for DOSBox-X: over TCP, keys and mice."""

import importlib
from typing import Any

from tests.peers.clients.playing import Note, Place, Script, tried
from tests.peers.clients.relay import relay_on_tcp

dbxdebug: Any = importlib.import_module("dbxdebug.qmp")

script = Script()


@script.scene
def everything(place: Place, note: Note) -> None:
    with relay_on_tcp(place.qmp) as port:
        client = dbxdebug.QMPClient("127.0.0.1", port)
        connect = getattr(client, "connect", None)
        if connect is not None:
            connect()
        note(client.query_status())
        note(tried(client.send_key, ["a"]))
        note(tried(client.send_key, ["ctrl", "alt", "delete"], 50))
        note(tried(client.send_key, ["nosuch"]))
        note(tried(client.key_down, "b"))
        note(tried(client.key_up, "b"))
        note(tried(client.key_press, "ret"))
        note(tried(client.type_text, "Hi 5!", 0.0))
        note(tried(client.mouse_move, 5, -5))
        note(tried(client.mouse_button, "left", True))  # noqa: FBT003 - its interface
        note(tried(client.mouse_button, "left", False))  # noqa: FBT003 - its interface
        note(tried(client.mouse_click, "right"))
        note(len(client.query_commands()) > 200)
        note(tried(client.memdump, 0, 16))
        note(tried(client.savestate, "x"))
        note(tried(client.loadstate, "x"))
        note(tried(client.screendump))
        note(tried(client.debug_break_on_exec, True))  # noqa: FBT003 - its interface
        note(tried(client.stop))
        note(tried(client.query_status))
        note(tried(client.cont))
        note(tried(client.system_reset))
        client.close()


script.play()
