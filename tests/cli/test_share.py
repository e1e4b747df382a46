"""``qmpx share``: what it says, and how it ends."""

from __future__ import annotations

import signal
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

import qmpx
from tests.loops import short_directory
from tests.programs import ENVIRONMENT, QMPX, SECONDS, running, serving, sharing
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


def test_a_role_is_for_whoever_comes_in() -> None:
    with (
        serving() as upstream,
        sharing(upstream.path, "--role", "observe") as place,
        qmpx.connect(place) as vm,
    ):
        assert vm.execute("query-status")["running"] is True
        names = {each["name"] for each in vm.execute("query-commands")}
        assert "query-status" in names
        assert "stop" not in names
        with pytest.raises(qmpx.CommandError, match="role observe does not allow"):
            vm.execute("stop")


def test_listeners_of_a_configuration_are_served(tmp_path: Path) -> None:
    with serving() as upstream, short_directory() as folder:
        file = tmp_path / "share.toml"
        places = [folder / "low", folder / "high"]
        text = "".join(
            f'[[listener]]\naddress = "unix:{place}"\nrole = "{role}"\nmode = "0660"\n'
            for place, role in zip(places, ["observe", "operate"], strict=True)
        )
        file.write_text(f'{text}[audit]\npath = "{tmp_path}/audit.jsonl"\n')
        with running("share", upstream.address, "--config", str(file)) as process:
            assert process.stderr is not None
            for place in places:
                assert str(place) in process.stderr.readline()
                assert stat.S_IMODE(place.stat().st_mode) == 0o660
            with qmpx.connect(places[0]) as low, qmpx.connect(places[1]) as high:
                with pytest.raises(qmpx.CommandError, match="does not allow stop"):
                    low.execute("stop")
                assert high.execute("stop") == {}
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0
        assert '"deny"' in (tmp_path / "audit.jsonl").read_text()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no place to listen"),
        ('[[listener]]\naddress = "unix:*"\n', "no place to listen"),
        ("[[listener]]\n", "listener[0]: Object missing required field `address`"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, fault: str
) -> None:
    file = tmp_path / "share.toml"
    file.write_text(text)
    ended = run("share", f"unix:{tmp_path}/none", "--config", str(file))
    assert ended.returncode == 2
    assert fault in ended.stderr
