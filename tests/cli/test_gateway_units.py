"""The units for systemd: systemd understands them, and they run what there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from qmpx.gateway.settings.configuration import read_configuration
from tests.pages import ROOT
from tests.programs import QMPX, SECONDS

if TYPE_CHECKING:
    from pathlib import Path

UNITS = ROOT / "contrib" / "systemd"
SERVICE = UNITS / "qmpx-gateway.service"


@pytest.mark.slow
def test_systemd_understands_them(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = SERVICE.read_text()
    assert "/usr/bin/qmpx " in text
    (tmp_path / SERVICE.name).write_text(text.replace("/usr/bin/qmpx", str(QMPX)))
    socket = tmp_path / "qmpx-gateway.socket"
    socket.write_text((UNITS / socket.name).read_text())
    ended = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / SERVICE.name, socket],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_the_unit_runs_is_a_command_with_the_shipped_configuration() -> None:
    (run,) = re.findall(r"^ExecStart=(.*)$", SERVICE.read_text(), re.MULTILINE)
    assert run == "/usr/bin/qmpx gateway --config /etc/qmpx/gateway.toml"
    configuration = read_configuration(UNITS / "gateway.toml")
    assert configuration.gateway.control == "unix:/run/qmpx/control.sock"
    # The end of the unit comes after that of the drain.
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", SERVICE.read_text(), re.MULTILINE)
    assert int(stop) > configuration.gateway.drain
