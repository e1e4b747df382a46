"""``qmpx share``: what it says, and how it ends."""

from __future__ import annotations

import signal
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

import qmpx
from tests.loops import short_directory
from tests.programs import ENVIRONMENT, QMPX, SECONDS, serving
from tests.programs import qmpx as run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_until_it_is_told_to_end(number: int) -> None:
    with serving("--clients", "1") as upstream, short_directory() as folder:
        places = [folder / "one", folder / "two"]
        listen = [word for place in places for word in ("--listen", f"unix:{place}")]
        with subprocess.Popen(
            [QMPX, "share", upstream.address, *listen],
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            text=True,
        ) as process:
            assert process.stderr is not None
            try:
                for place in places:
                    said = process.stderr.readline()
                    assert said == f"qmpx: sharing {upstream.address} on unix:{place}\n"
                    assert stat.S_IMODE(place.stat().st_mode) == 0o600
                with qmpx.connect(places[0]) as one, qmpx.connect(places[1]) as two:
                    assert one.execute("query-name") == two.execute("query-name")
                    process.send_signal(number)
                    assert process.communicate(timeout=SECONDS)[1] == ""
                assert process.returncode == 0
                assert not any(place.exists() for place in places)
            finally:
                process.kill()
        with qmpx.connect(upstream.path) as vm:  # the monitor is free again
            assert vm.execute("query-status")["running"] is True


def test_without_a_monitor_it_ends() -> None:
    with short_directory() as folder:
        ended = run("share", f"unix:{folder}/none", "--listen", f"unix:{folder}/one")
        assert ended.returncode == 3
        assert "there is no socket" in ended.stderr
        assert list(folder.iterdir()) == []


def test_it_does_not_listen_where_the_monitor_does() -> None:
    with serving() as upstream:
        ended = run("share", upstream.address, "--listen", upstream.address)
        assert ended.returncode == 2
        assert "another program listens there already" in ended.stderr


def test_it_needs_a_place_to_listen(tmp_path: Path) -> None:
    ended = run("share", f"unix:{tmp_path}/none")
    assert ended.returncode == 2
    assert "--listen" in ended.stderr
