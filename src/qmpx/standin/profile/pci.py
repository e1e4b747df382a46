"""Asking a real QEMU what its devices show in the configuration space of PCI.

It is driven by qtest, which every QEMU understands: devices are plugged in, and the
first 64 bytes are read of each, and then what stays of ones in the registers of its
windows.

The records have the name ``x-qmpx-pci``, which no command of QEMU has.
"""

import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Final

from qmpx.client import Client
from qmpx.errors import CommandError, QmpxError
from qmpx.standin.profile.file import ANY, canonical, returned

BOARDS: Final = ("pc", "q35")
"""The boards whose own devices are looked at."""

PLUGGED_AT_ONCE: Final = 12
"""Devices that are plugged into one machine: a PCI bus has 32 places."""

QTEST_SECONDS: Final = 30.0
"""Seconds that a binary gets to connect: it takes a tenth of one."""

_ADDRESS: Final = 0xCF8
_DATA: Final = 0xCFC
_ENABLE: Final = 1 << 31
_WORDS: Final = range(0, 64, 4)
_WINDOWS: Final = (0x10, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x30)

Start = Callable[..., AbstractContextManager[Client]]


def ask_pci(start: Start, models: Iterable[str], records: dict[str, bytes]) -> None:
    """Ask all models and boards; what cannot be had is left out.

    Args:
        start: Starts the binary with some more of a command line.
        models: The models that go on a PCI bus.
        records: Where the answers go.
    """
    for board in BOARDS:
        _ask(start, ["-machine", board], [], records)
    left = list(models)
    while left:
        some, left = left[:PLUGGED_AT_ONCE], left[PLUGGED_AT_ONCE:]
        _ask(start, ["-machine", "pc"], some, records)


def _ask(
    start: Start, words: list[str], models: list[str], records: dict[str, bytes]
) -> None:
    with tempfile.TemporaryDirectory(prefix="qmpx-") as folder:
        path = os.path.join(folder, "qtest")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen(1)
            server.settimeout(QTEST_SECONDS)
            try:
                driven = ["-qtest", f"unix:{path}", "-qtest-log", "none"]
                with start(*words, *driven) as vm:
                    connection, _ = server.accept()
                    with connection, connection.makefile("rwb") as lines:
                        _look(vm, lines, models, records)
            except (QmpxError, OSError):
                return  # it did not survive one of these models


def _look(vm: Client, lines: Any, models: list[str], records: dict[str, bytes]) -> None:
    for number, model in enumerate(models):
        options: dict[str, Any] = {"driver": model, "id": f"qmpx-{number}"}
        known = vm.execute("device-list-properties", typename=model)
        if "drive" in {x["name"] for x in known}:
            node = {"driver": "null-co", "node-name": f"n{number}"}
            vm.execute("blockdev-add", node)
            options["drive"] = node["node-name"]
        try:
            vm.execute("device_add", options)
        except CommandError:
            continue
    bus = "/machine/i440fx/pci.0"
    try:
        links = vm.execute("qom-list", path=bus)
    except CommandError:
        bus = "/machine/q35/pcie.0"
        links = vm.execute("qom-list", path=bus)
    for link in links:
        if not link["name"].startswith("child["):
            continue
        device = vm.execute("qom-get", path=bus, property=link["name"])
        kind = vm.execute("qom-get", path=device, property="type")
        place = vm.execute("qom-get", path=device, property="addr")
        key = f"{ANY} x-qmpx-pci {canonical({'typename': kind})}"
        if key not in records:
            header = _read(lines, place)
            windows = _ask_windows(lines, place)
            shown = {"header": header.hex(), "windows": windows}
            records[key] = returned(json.dumps(shown).encode())


def _say(lines: Any, text: str) -> int:
    lines.write(text.encode() + b"\n")
    lines.flush()
    answer = lines.readline().split()
    return int(answer[1], 16) if len(answer) > 1 else 0


def _read(lines: Any, place: int) -> bytes:
    data = b""
    for register in _WORDS:
        _say(lines, f"outl {_ADDRESS} {_ENABLE | place << 8 | register}")
        data += _say(lines, f"inl {_DATA}").to_bytes(4, "little")
    return data


def _ask_windows(lines: Any, place: int) -> dict[str, int]:
    """Return the bits of each window's register that can be set."""
    masks: dict[str, int] = {}
    for register in _WINDOWS:
        _say(lines, f"outl {_ADDRESS} {_ENABLE | place << 8 | register}")
        before = _say(lines, f"inl {_DATA}")
        _say(lines, f"outl {_DATA} {0xFFFFFFFF}")
        mask = _say(lines, f"inl {_DATA}") ^ before
        _say(lines, f"outl {_DATA} {before}")
        if mask:
            masks[str(register)] = mask
    return masks
