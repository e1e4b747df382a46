"""What is loaded when: ``import qmpx`` costs next to nothing, and asyncio waits."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.programs import serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # each starts a Python, some a server


def modules_after(source: str, *arguments: str) -> set[str]:
    """Return which modules are loaded when a new Python has run *source*."""
    tell = f"{source}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", tell, *arguments],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return set(json.loads(ended.stdout.splitlines()[-1]))


def test_the_root_loads_next_to_nothing() -> None:
    loaded = modules_after("import qmpx") - modules_after("import typing, importlib")
    mine = {name for name in loaded if not name.startswith("_")}
    assert mine == {"qmpx", "qmpx._lazy"}


def test_the_names_are_loaded_with_their_rooms() -> None:
    loaded = modules_after("import qmpx; qmpx.CommandError")
    assert "qmpx.errors" in loaded
    assert not loaded & {"qmpx.wire", "qmpx.client", "asyncio", "msgspec", "socket"}


def test_the_blocking_client_does_without_asyncio() -> None:
    loaded = modules_after("import qmpx; qmpx.Client; qmpx.connect")
    assert "qmpx.client" in loaded
    assert not loaded & {"asyncio", "uvloop", "qmpx.monitor", "qmpx.machine"}


CLI = "import sys; from qmpx.cli import main; assert main(sys.argv[1:]) == 0"


@pytest.mark.parametrize(
    "command",
    [
        ["run", "ADDRESS", "query-status"],
        ["run", "ADDRESS", "query-yank", "--oob"],
        ["events", "ADDRESS", "--timeout", "0.01"],
    ],
)
def test_commands_that_drive_do_without_asyncio(command: list[str]) -> None:
    with serving() as server:
        words = [server.address if word == "ADDRESS" else word for word in command]
        loaded = modules_after(CLI, *words)
    assert not loaded & {"asyncio", "uvloop", "qmpx.monitor", "qmpx.machine"}


def test_a_one_shot_command_does_without_the_client_and_its_codec() -> None:
    with serving() as server:
        loaded = modules_after(CLI, "run", server.address, "query-status")
    assert not loaded & {"msgspec", "logging", "qmpx.client", "qmpx.wire"}


def test_a_one_shot_command_needs_little_of_the_standard_library() -> None:
    needed = modules_after("import argparse, json, socket")
    with serving() as server:
        loaded = modules_after(CLI, "run", server.address, "query-status") - needed
    assert not loaded & {"array", "dataclasses", "shutil", "threading", "typing"}


def test_a_command_loads_the_options_of_its_like_only() -> None:
    loaded = modules_after(CLI, "errors", "DeviceNotFound")
    options = {name for name in loaded if name.endswith("_options")}
    assert options == {"qmpx.cli.learning_options"}


SERVED = """
from qmpx.cli.serve import demo_machine, make_monitor
make_monitor(demo_machine(), "modern")
"""


def test_a_server_starts_without_what_only_some_clients_need() -> None:
    loaded = modules_after(SERVED)
    assert "qmpx.wire.framing" in loaded
    assert not loaded & {
        "ipaddress",
        "qmpx.machine.objects",
        "qmpx.monitor.introspection",
        "qmpx.transport.telnet",
        "qmpx.wire.lexer",
        "qmpx.wire.parser",
    }


def test_a_format_of_images_is_loaded_with_the_first_such_image(
    tmp_path: Path,
) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(512))
    opened = "import sys; from qmpx.machine.block import open_image as o"
    loaded = modules_after(f"{opened}; o(sys.argv[1]).close()", str(image))
    formats = {"extents", "headers", "qcow2", "vmdk"}
    assert "qmpx.machine.block.opening" in loaded
    assert not loaded & {f"qmpx.machine.block.{name}" for name in formats}
