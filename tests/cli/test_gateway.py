"""``qmpx gateway`` as a service: what it says, to people, to systemd, to Prometheus."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time
import urllib.request
from typing import IO, TYPE_CHECKING, Any

import pytest

import qmpx
from tests.loops import short_directory
from tests.programs import ENVIRONMENT, QMPX, SECONDS, serving
from tests.programs import qmpx as run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a directory for sockets."""
    with short_directory() as path:
        yield path


def configure(folder: Path, text: str) -> Path:
    """Write a configuration; ``DIR`` stands for the directory."""
    path = folder / "gateway.toml"
    path.write_text(text.replace("DIR", str(folder)))
    return path


@contextlib.contextmanager
def running(
    config: Path,
    sockets: tuple[socket.socket, ...] = (),
    stdout: IO[str] | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run a gateway until the end of the block; it has said that it runs."""

    def hand_over() -> None:
        # As systemd does: from 3 on, for this process.
        held = [os.dup(sock.fileno()) for sock in sockets]
        for index, fd in enumerate(held):
            os.dup2(fd, 3 + index)

    command = [str(QMPX), "gateway", "--config", str(config)]
    if sockets:
        # Only the program itself knows its number.
        command = ["sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"', *command]
    with subprocess.Popen(
        command,
        stdout=stdout,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=ENVIRONMENT | (environment or {}),
        text=True,
        close_fds=not sockets,
        preexec_fn=hand_over if sockets else None,
    ) as process:
        assert process.stderr is not None
        try:
            said = process.stderr.readline()
            while "metrics on" in said:
                said = process.stderr.readline()
            assert "gateway of" in said, said + process.stderr.read()
            yield process
        finally:
            process.kill()


def until(condition: Any) -> Any:
    """Wait until something is so; it may raise what it cannot do yet."""
    deadline = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(OSError, qmpx.QmpxError):
            if value := condition():
                return value
        assert time.monotonic() < deadline
        time.sleep(0.01)


ONE = """
[gateway]
control = "unix:DIR/control"
drain = 1
[[upstream]]
name = "box"
address = "UPSTREAM"
listen = "unix:DIR/{name}.shared"
"""


def test_it_serves_tells_how_it_is_and_ends(folder: Path) -> None:
    with serving("--clients", "1", "--name", "box") as upstream:
        text = ONE.replace("UPSTREAM", upstream.address)
        with running(configure(folder, text)) as process:
            place = f"unix:{folder}/box.shared"
            with until(lambda: qmpx.connect(place)) as vm:
                assert vm.execute("query-name") == {"name": "box"}
                ended = run("gateway", "status", "--address", f"unix:{folder}/control")
                assert ended.returncode == 0
                head, row, client = ended.stdout.splitlines()
                assert head.split() == [
                    "UPSTREAM",
                    "STATE",
                    "FOR",
                    "CLIENTS",
                    "WAITING",
                    "ADDRESS",
                ]
                assert re.fullmatch(rf"box +ok +\d+ s +1 +0 +{upstream.address}", row)
                assert client.startswith("box: client 1 ")
                ended = run(
                    "gateway", "status", "--config", folder / "gateway.toml", "--json"
                )
                (told,) = json.loads(ended.stdout)["upstreams"]
                assert told["name"] == "box"
                assert told["listen"] == [place]
                assert told["health"]["state"] == "ok"
                process.send_signal(signal.SIGTERM)
                assert process.wait(SECONDS) == 0
            assert [path.name for path in folder.iterdir()] == ["gateway.toml"]


def test_it_takes_as_many_descriptors_as_the_system_lets_it_have(folder: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = ONE.replace("UPSTREAM", f"unix:{folder}/none")
    with running(configure(folder, text)) as process:
        assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (hard, hard)


def test_status_tells_by_its_exit_status_that_one_is_gone(folder: Path) -> None:
    text = ONE.replace("UPSTREAM", f"unix:{folder}/none")
    with running(configure(folder, text)):
        ended = until(
            lambda: run("gateway", "status", "--address", f"unix:{folder}/control")
        )
        assert ended.returncode == 1
        assert re.search(r"^box +gone ", ended.stdout, re.MULTILINE)


def test_sighup_reads_the_file_anew_and_keeps_connections(folder: Path) -> None:
    with contextlib.ExitStack() as stack:
        one, two = (stack.enter_context(serving()) for _ in range(2))
        text = ONE.replace("UPSTREAM", one.address)
        config = configure(folder, text)
        process = stack.enter_context(running(config))
        assert process.stderr is not None
        vm = until(lambda: qmpx.connect(f"unix:{folder}/box.shared"))
        stack.enter_context(vm)
        more = text + (
            f'[[upstream]]\nname = "two"\naddress = "{two.address}"\n'
            'listen = "unix:DIR/{name}.shared"\n'
        )
        configure(folder, more)
        process.send_signal(signal.SIGHUP)
        with until(lambda: qmpx.connect(f"unix:{folder}/two.shared")) as other:
            assert other.execute("query-status")["running"]
        assert "was read anew, and is in force" in process.stderr.readline()
        # A bad one stays without effect, and that is said.
        ask = ["gateway", "reload", "--address", f"unix:{folder}/control"]
        for bad in ("[[upstream]]\n", more.replace('"two"', '"box"')):
            configure(folder, bad)
            process.send_signal(signal.SIGHUP)
            assert "the old configuration stays in force" in process.stderr.readline()
            ended = run(*ask)
            assert ended.returncode == 1
            assert "the old configuration stays in force" in ended.stderr
        assert vm.execute("query-status")["running"]
        configure(folder, text)
        assert run("gateway", "reload", "--config", config).returncode == 0
        until(lambda: not (folder / "two.shared").exists())
        assert vm.execute("query-status")["running"]


def test_systemd_is_told_and_its_sockets_are_served(folder: Path) -> None:
    with (
        serving() as upstream,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
        socket.socket(socket.AF_UNIX) as clients,
        socket.socket(socket.AF_UNIX) as control,
    ):
        notify.bind(str(folder / "notify"))
        notify.settimeout(SECONDS)
        for sock, name in ((clients, "clients"), (control, "ctl")):
            sock.bind(str(folder / name))
            sock.listen()
        text = (
            ONE.replace("UPSTREAM", upstream.address)
            .replace("unix:DIR/{name}.shared", "systemd:clients")
            .replace("unix:DIR/control", "systemd:ctl")
        )
        config = configure(folder, text)
        environment = {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "200000",
            "LISTEN_FDS": "2",
            "LISTEN_FDNAMES": "clients:ctl",
        }
        with running(config, (clients, control), environment=environment) as process:

            def told(begin: str) -> str:
                while True:
                    said = notify.recv(4096).decode()
                    if said.startswith(begin):
                        return said

            assert told("READY=1").startswith("READY=1\nSTATUS=")
            assert told("WATCHDOG=1") == "WATCHDOG=1"
            with qmpx.connect(f"unix:{folder}/clients") as vm:
                assert vm.execute("query-status")["running"]
                assert told("STATUS=1 of 1 monitors there")
                ended = run("gateway", "status", "--address", f"unix:{folder}/ctl")
                assert ended.returncode == 0
                process.send_signal(signal.SIGHUP)
                assert re.fullmatch(
                    r"RELOADING=1\nMONOTONIC_USEC=\d+", told("RELOADING=1")
                )
                told("READY=1")
                process.send_signal(signal.SIGTERM)
                assert told("STOPPING=1").startswith("STOPPING=1\nSTATUS=ending")
            assert process.wait(SECONDS) == 0
        # They are systemd's: they stay.
        assert (folder / "clients").exists()


POLICY = """
[audit]
path = "DIR/audit.jsonl"
[[listener]]
address = "unix:*"
mode = "0640"
[[grant]]
role = "ROLE"
uid = UID
"""


def test_policy_is_in_force_and_changes_for_those_who_are_in(folder: Path) -> None:
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(serving())
        policy = POLICY.replace("UID", str(os.getuid()))
        text = ONE.replace("UPSTREAM", upstream.address) + policy
        config = configure(folder, text.replace("ROLE", "observe"))
        process = stack.enter_context(running(config))
        place = folder / "box.shared"
        vm = until(lambda: qmpx.connect(place))
        stack.enter_context(vm)
        assert place.stat().st_mode & 0o777 == 0o640
        assert vm.execute("x-qmpx-health")["state"] == "ok"
        with pytest.raises(qmpx.CommandError, match="role observe does not allow"):
            vm.execute("stop")
        reload = ["gateway", "reload", "--address", f"unix:{folder}/control"]
        configure(folder, text.replace("ROLE", "operate"))
        assert run(*reload).returncode == 0
        assert vm.execute("stop") == {}
        # Without a policy everybody could do all: not by a slip in a file.
        configure(folder, ONE.replace("UPSTREAM", upstream.address))
        ended = run(*reload)
        assert ended.returncode == 1
        # Whoever has no role any more is out.
        nobody = text.replace("ROLE", "operate").replace(
            f"uid = {os.getuid()}", f"uid = {os.getuid() + 1}"
        )
        configure(folder, nobody)
        assert run(*reload).returncode == 0
        with pytest.raises(qmpx.ConnectionLost):
            vm.execute("query-status")
        process.terminate()
        assert process.wait(SECONDS) == 0
    lines = map(json.loads, (folder / "audit.jsonl").read_text().splitlines())
    told = [(x.get("command"), x.get("verdict")) for x in lines if "command" in x]
    assert ("stop", "deny") in told
    assert ("stop", "allow") in told


METRICS = """
[metrics]
listen = "tcp:127.0.0.1:0"
interval = 1
"""


def scrape(place: str) -> dict[str, float]:
    """Return the values that Prometheus would get."""
    with urllib.request.urlopen(f"http://{place}/metrics", timeout=SECONDS) as reply:
        assert reply.headers["Content-Type"].startswith("text/plain")
        text = reply.read().decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines)}


def series(name: str, **labels: str) -> str:
    """Return what a series is called."""
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"qmpx_{name}" + (f"{{{inside}}}" if inside else "")


def counted(command: str, outcome: str) -> str:
    """Return what the series of a command is called."""
    return series("commands_total", upstream="box", command=command, outcome=outcome)


def test_prometheus_reads_also_while_the_monitor_is_stopped(folder: Path) -> None:
    with serving() as upstream:
        text = ONE.replace("UPSTREAM", upstream.address) + METRICS
        command: list[str | Path] = [QMPX, "gateway"]
        command += ["--config", configure(folder, text)]
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True
        ) as process:
            try:
                assert process.stderr is not None
                said = process.stderr.readline()
                found = re.fullmatch(r"qmpx: metrics on tcp:(127\.0\.0\.1:\d+)\n", said)
                assert found, said
                with until(lambda: qmpx.connect(f"unix:{folder}/box.shared")) as vm:
                    for _ in range(5):
                        vm.execute("query-status")
                    with pytest.raises(qmpx.CommandError):
                        vm.execute("no-such-command")
                    vm.execute("stop")
                    values = scrape(found[1])
                    expected = {
                        series("upstreams"): 1,
                        series("upstream_up", upstream="box"): 1,
                        series("upstream_health", upstream="box", state="ok"): 1,
                        counted("query-status", "return"): 5,
                        counted("stop", "return"): 1,
                        counted("other", "CommandNotFound"): 1,
                        series("events_total", upstream="box", event="STOP"): 1,
                        series("client_connections_total", upstream="box"): 1,
                    }
                    assert {name: values.get(name) for name in expected} == expected
                    quick = {"upstream": "box", "class": "quick"}
                    assert values[series("command_seconds_count", **quick)] >= 6
                    upstream.process.send_signal(signal.SIGSTOP)
                    try:
                        again = scrape(found[1])
                    finally:
                        upstream.process.send_signal(signal.SIGCONT)
                    assert again[series("upstream_up", upstream="box")] == 1
            finally:
                process.kill()


def reload(folder: Path, text: str, control: str = "control") -> str:
    """Put a configuration in force, by a control socket; return what is said."""
    configure(folder, text)
    return run("gateway", "reload", "--address", f"unix:{folder}/{control}").stderr


def test_what_the_process_itself_does_changes_by_a_reload(folder: Path) -> None:
    with serving() as upstream:
        text = ONE.replace("UPSTREAM", upstream.address)
        measured = f'{text}[metrics]\nlisten = "tcp:127.0.0.1:0"\n'
        bare = counted("query-status", "return")
        with running(configure(folder, text)) as process:
            assert process.stderr is not None

            def place_after(line: str) -> str:
                found = re.fullmatch(r"qmpx: metrics on tcp:(127\.0\.0\.1:\d+)\n", line)
                assert found, line
                return found[1]

            with until(lambda: qmpx.connect(f"unix:{folder}/box.shared")) as vm:
                vm.execute("query-status")
                assert reload(folder, measured) == ""
                place = place_after(process.stderr.readline())
                vm.execute("query-status")
                assert scrape(place)[bare] == 1  # from then on
                assert reload(folder, measured + "interval = 5\n") == ""
                vm.execute("query-status")
                assert scrape(place)[bare] == 2  # it goes on, at the same place
                moved = measured.replace("127.0.0.1:0", "127.0.0.2:0")
                refused = reload(folder, moved.replace("127.0.0.2", "192.0.2.1"))
                assert "the old configuration stays in force" in refused
                assert scrape(place)[bare] == 2
                assert reload(folder, text) == ""
                with pytest.raises(OSError, match="refused"):
                    scrape(place)
                vm.execute("query-status")
                assert reload(folder, measured) == ""
                place = place_after(process.stderr.readline())
                assert bare not in scrape(place)  # nobody counted
                elsewhere = text.replace("DIR/control", "DIR/elsewhere")
                assert reload(folder, elsewhere) == ""
                until(lambda: not (folder / "control").exists())
                assert (
                    reload(folder, text + "[health]\ninterval = 0.1\n", "elsewhere")
                    == ""
                )
                upstream.process.send_signal(signal.SIGSTOP)
                try:
                    assert "box is silent" in process.stderr.readline()
                finally:
                    upstream.process.send_signal(signal.SIGCONT)
                assert "box is ok" in process.stderr.readline()


def test_spans_begin_and_end_by_a_reload(folder: Path) -> None:
    with serving() as upstream:
        text = ONE.replace("UPSTREAM", upstream.address)
        traced = text + '[tracing]\nexporter = "console"\nservice = "here"\n'
        config = configure(folder, text)
        with (
            (folder / "spans").open("w") as spans,
            running(config, stdout=spans) as process,
            until(lambda: qmpx.connect(f"unix:{folder}/box.shared")) as vm,
        ):
            vm.execute("query-status")
            refused = reload(folder, traced.replace("console", "nowhere"))
            assert "there is no such exporter" in refused
            assert reload(folder, traced) == ""
            vm.execute("query-name")
            assert reload(folder, text) == ""
            vm.execute("query-version")
            process.terminate()
            assert process.wait(SECONDS) == 0
        told = (folder / "spans").read_text()
    assert re.findall(r'"name": "(.*)"', told) == ["qmp query-name"]


def test_a_second_signal_does_not_wait_for_what_is_being_answered(
    folder: Path,
) -> None:
    scenario = folder / "late.toml"
    scenario.write_text(
        '[[fault]]\nkind = "reply-late"\ncommand = "query-status"\nseconds = 600\n'
    )
    with serving("--scenario", str(scenario)) as upstream:
        text = ONE.replace("UPSTREAM", upstream.address)
        config = configure(folder, text.replace("drain = 1", "drain = 600"))
        place = f"unix:{folder}/box.shared"
        with running(config) as process, until(lambda: qmpx.connect(place)) as vm:
            with pytest.raises(qmpx.DeadlineExceeded):
                vm.execute("query-status", timeout=0.1)
            process.terminate()
            until(lambda: not (folder / "box.shared").exists())
            assert process.poll() is None
            process.terminate()
            assert process.wait(SECONDS) == 0


def test_check_tells_what_is_wrong_and_where(folder: Path) -> None:
    good = ONE.replace("UPSTREAM", "unix:/run/vm/a")
    ended = run("gateway", "check", configure(folder, good))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{folder}/gateway.toml: in order, 1 upstream\n"
    again = run("gateway", "check", "--config", folder / "gateway.toml")
    assert (again.returncode, again.stdout) == (0, ended.stdout)
    for bad, what in (
        (good + "colour = 1\n", "colour"),
        (good + good.partition("drain = 1\n")[2], "box: it is there twice"),
        (good.replace("drain = 1", "drain = -1"), "gateway.drain"),
    ):
        ended = run("gateway", "check", configure(folder, bad))
        assert ended.returncode == 2
        assert what in ended.stderr


def test_who_asks_where_no_gateway_is_is_told_what_to_look_at(folder: Path) -> None:
    address = f"unix:{folder}/control"
    for action in ("status", "reload"):
        ended = run("gateway", action, "--address", address)
        assert (ended.returncode, ended.stdout) == (3, "")
        reason, hint = ended.stderr.splitlines()
        assert reason == f"qmpx: cannot talk to {address}: there is no socket " + repr(
            f"{folder}/control"
        )
        assert hint == (
            f'is the gateway running, with [gateway] control = "{address}"? '
            "--config FILE or --address says where else"
        )


def test_a_bad_file_starts_nothing(folder: Path) -> None:
    ended = run("gateway", "--config", configure(folder, "[gateway]\ndrain = 'x'"))
    assert ended.returncode == 2
    assert "gateway.drain" in ended.stderr
    ended = run("gateway")
    assert ended.returncode == 2
    assert "--config FILE" in ended.stderr
