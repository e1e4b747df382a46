"""Other people's clients of guest agents see the same, by a real one and by ours.

As `tests.peers.test_clients` does it for monitors.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.peers.client_packages import environment_of
from tests.peers.test_agent_alike import ours, real
from tests.peers.test_clients import SCRIPTS, SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

pytestmark = [pytest.mark.peer("qemu-ga"), pytest.mark.slow, pytest.mark.timeout(120)]

CLIENTS: Final[dict[str, str | None]] = {
    "avocado_agent": "avocado-vt",
    "qmp_agent": "qemu.qmp",
    "reenacted_agent": None,
}
"""The scripts, and the client that each plays with; ``None`` if it acts for them."""


def seen(
    script: str, agent: Callable[[Path], AbstractContextManager[None]]
) -> dict[str, Any]:
    """Play a script before an agent; return what it saw."""
    with tempfile.TemporaryDirectory(prefix="qmpx-") as name:
        folder = Path(name)
        (folder / "files").mkdir()
        with agent(folder / "agent"):
            ended = subprocess.run(
                [
                    sys.executable,
                    SCRIPTS / f"{script}.py",
                    *(folder / "agent", folder / "none", folder / "files"),
                ],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                env=environment_of(CLIENTS[script]),
                timeout=SECONDS,
                check=False,
            )
    assert ended.returncode == 0, ended.stderr
    scenes: dict[str, Any] = json.loads(ended.stdout.replace(name, "FOLDER"))
    return scenes


@pytest.mark.parametrize("script", CLIENTS)
def test_a_client_sees_the_same_agent(script: str) -> None:
    theirs, ours_ = seen(script, real), seen(script, ours)
    assert all(theirs.values())
    assert ours_ == theirs
