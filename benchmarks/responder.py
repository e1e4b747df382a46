"""The fixed responder where there is no C compiler: the same replies, in Python.

It looks for a few words instead of parsing, and serves as many clients as come, each
in a thread.  Enough for comparing clients with each other; no yardstick for servers.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from pathlib import Path
from typing import Final

_GREETING: Final = (
    b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, '
    b'"package": ""}, "capabilities": ["oob"]}}\r\n'
)
_STATUS: Final = b'{"status": "running", "singlestep": false, "running": true}'
_ERROR: Final = b'"error": {"class": "DeviceNotFound", "desc": "not found"}'
_EVENT: Final = (
    b'{"timestamp": {"seconds": 1700000000, "microseconds": 1}, '
    b'"event": "BLOCK_JOB_READY", "data": {"device": "drive0", "offset": 65536}}\r\n'
)
_BURST: Final = 1000
_NAME: Final = re.compile(rb'"execute": ?"([^"]*)"')
_ID: Final = re.compile(rb'"id": ?("[^"]*"|\d+)')


class Responder:
    """Answers requests from a table of fixed replies."""

    def __init__(self, schema: bytes) -> None:
        commands = [{"name": name} for name in ("query-status", "query-commands")]
        self._returns = {
            b"query-status": _STATUS,
            b"query-qmp-schema": schema,
            b"query-commands": json.dumps(commands).encode(),
        }

    def answer(self, request: bytes) -> bytes:
        """Return the reply to *request*, and before it the events it causes."""
        found, number = _NAME.search(request), _ID.search(request)
        name = found[1] if found else b""
        value = self._returns.get(name, b"{}")
        if name == b"echo":
            value = json.dumps(json.loads(request)["arguments"]).encode()
        body = _ERROR if name == b"fail" else b'"return": ' + value
        tail = b', "id": ' + number[1] if number else b""
        events = _EVENT * _BURST if name == b"burst" else b""
        return events + b"{" + body + tail + b"}\r\n"

    def serve(self, sock: socket.socket) -> None:
        """Serve one client until it goes."""
        decoder = json.JSONDecoder()
        pending = ""
        with sock:
            sock.sendall(_GREETING)
            while data := sock.recv(1 << 18):
                pending = (pending + data.decode()).lstrip()
                replies = []
                while pending:
                    try:
                        _, end = decoder.raw_decode(pending)
                    except ValueError:
                        break  # unfinished
                    replies.append(self.answer(pending[:end].encode()))
                    pending = pending[end:].lstrip()
                sock.sendall(b"".join(replies))


def main(path: str, schema: str) -> None:
    """Listen at *path* for ever."""
    responder = Responder(Path(schema).read_bytes())
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1024)
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=responder.serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
