"""Standard input and output as a monitor's connection."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_what_is_said_last_arrives_before_the_program_ends() -> None:
    commands = b'{"execute": "qmp_capabilities"} {"execute": "quit", "id": "last"}'
    for _ in range(5):  # it was cut off two times in three
        ended = subprocess.run(
            [sys.executable, "-m", "qmpx", "serve", "--qmp", "stdio"],
            input=commands,
            capture_output=True,
            timeout=30,
            check=True,
        )
        assert ended.stdout.endswith(b'{"return": {}, "id": "last"}\r\n')
