"""What Proxmox VE's client says to a guest agent, and what it takes for the answer.

Two lines at once, a delimited sync and the command. The answer is what stands behind
the last byte 0xFF: two lines, of which the first has the number.
"""

import base64
import json
import os
import re
from typing import Any

from tests.peers.clients.playing import Note, Place, Script, until
from tests.peers.clients.wires import Refused, connect

script = Script()

_ANSWER = re.compile(rb"^.*\xff([^\n]+}\r?\n[^\n]+})\r?\n(.*)$", re.DOTALL)


class Agent:
    """A connection per command."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._number = 0

    def run(self, name: str, arguments: Any = None) -> Any:
        """Run a command."""
        self._number += 1
        id_ = int(f"{os.getpid()}0{self._number}")
        sync = {"execute": "guest-sync-delimited", "arguments": {"id": id_}}
        command = {"execute": name, "arguments": arguments or {}}
        with connect(self._path) as client:
            lines = f"{json.dumps(sync)}\n{json.dumps(command)}\n"
            client.sendall(lines.encode())
            data = b""
            while not (answer := _ANSWER.match(data)):
                received = client.recv(1024)
                if not received:
                    raise EOFError
                data += received
        synced, told = answer[1].split(b"\n")
        if json.loads(synced)["return"] != id_:
            raise Refused(synced)
        message = json.loads(told)
        return message.get("return", message.get("error"))


@script.scene
def commands(place: Place, note: Note) -> None:
    agent = Agent(place.qmp)
    for name in ("guest-ping", "guest-fsfreeze-status", "guest-nosuch"):
        note(agent.run(name))
    note(sorted(agent.run("guest-info")))
    note(type(agent.run("guest-get-time")).__name__)
    note(sorted(agent.run("guest-get-host-name")))
    note(agent.run("guest-set-time", {"time": "x"}))
    note(agent.run("guest-shutdown", {"mode": "x"}))


@script.scene
def a_program_is_run(place: Place, note: Note) -> None:
    agent = Agent(place.qmp)
    told = agent.run("guest-exec", {"path": "/bin/echo", "capture-output": True})
    pid = {"pid": told["pid"]}

    def ended() -> Any:
        status = agent.run("guest-exec-status", pid)
        return status if status["exited"] else None

    note(until(ended))
    note(agent.run("guest-exec-status", pid))


@script.scene
def a_file_is_read(place: Place, note: Note) -> None:
    agent = Agent(place.qmp)
    handle = agent.run("guest-file-open", {"path": "/etc/hosts", "mode": "rb"})
    told = agent.run("guest-file-read", {"handle": handle, "count": 1 << 20})
    note(b"localhost" in base64.b64decode(told["buf-b64"]))
    note([told["eof"], told["count"] == len(base64.b64decode(told["buf-b64"]))])
    note(agent.run("guest-file-close", {"handle": handle}))


script.play()
