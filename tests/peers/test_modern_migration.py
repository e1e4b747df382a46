"""Migration: the same requests to a real QEMU and to our machine."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine
from qmpx.machine.migration.parameters import CAPABILITIES
from qmpx.machine.runstate import RunState
from tests.peers.twins import Talk, Twins, shape, twins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]


@pytest.fixture(scope="module")
def both() -> Iterator[Twins]:
    """Keep one pair for all refusals: none of them changes anything."""
    with twins() as pair:
        yield pair


def alike(told: tuple[Any, Any]) -> Any:
    """Look whether both said the same, and return it."""
    theirs, ours = told
    assert ours == theirs
    return ours


PARAMETERS: list[dict[str, Any]] = [
    {"announce-initial": -1},
    {"announce-initial": 100001},
    {"announce-initial": 100000},
    {"announce-max": 100001},
    {"announce-rounds": 1001},
    {"announce-step": 0},
    {"announce-step": 10001},
    {"announce-step": 1},
    {"compress-level": -1},
    {"compress-level": 10},
    {"compress-level": 256},
    {"compress-threads": 0},
    {"decompress-threads": 300},
    {"decompress-threads": 255},
    {"throttle-trigger-threshold": 101},
    {"cpu-throttle-initial": 0},
    {"cpu-throttle-initial": 1},
    {"cpu-throttle-increment": 100},
    {"max-cpu-throttle": 100},
    {"max-cpu-throttle": 0},
    {"max-cpu-throttle": 19},
    {"cpu-throttle-initial": 30, "max-cpu-throttle": 29},
    {"downtime-limit": -1},
    {"downtime-limit": 2000001},
    {"downtime-limit": 2000000},
    {"max-bandwidth": -1},
    {"max-bandwidth": 2**63},
    {"max-bandwidth": "1M"},
    {"max-bandwidth": 1.5},
    {"xbzrle-cache-size": 0},
    {"xbzrle-cache-size": 4097},
    {"xbzrle-cache-size": 2**40},
    {"multifd-channels": 0},
    {"multifd-channels": 256},
    {"multifd-compression": "lzma"},
    {"multifd-compression": "zstd"},
    {"multifd-zlib-level": 10},
    {"multifd-zlib-level": 9},
    {"multifd-zstd-level": 300},
    {"max-postcopy-bandwidth": 5},
    {"tls-creds": "creds0"},
    {"tls-creds": None},
    {"tls-creds": ""},
    {"tls-hostname": 1},
    {"block-incremental": 1},
    {"block-incremental": True},
    {"x-checkpoint-delay": 2**32},
    {"x-checkpoint-delay": 5},
    {"block-bitmap-mapping": [{"node-name": "a", "alias": "b", "bitmaps": []}]},
    {"block-bitmap-mapping": [{"node-name": "a"}]},
    {"no-such": 1},
    {"compress-level": 3, "downtime-limit": -1},
    {},
]


@pytest.mark.parametrize("given", PARAMETERS, ids=str)
def test_parameters_are_taken_and_refused_alike(
    both: Twins, given: dict[str, Any]
) -> None:
    told = [
        talk.run("migrate-set-parameters", given) for talk in (both.theirs, both.ours)
    ]
    alike((told[0], told[1]))
    alike(both.run("query-migrate-parameters"))


SWITCHES: list[list[tuple[str, Any]]] = [
    *([(name, True)] for name in CAPABILITIES if name != "events"),
    [("background-snapshot", True), ("postcopy-ram", True)],
    [("background-snapshot", True), ("multifd", True), ("compress", True)],
    [("multifd", True), ("compress", True)],
    [("multifd", True), ("zero-copy-send", True)],
    [("postcopy-ram", True), ("postcopy-preempt", True)],
    [("postcopy-ram", True), ("postcopy-preempt", True), ("compress", True)],
    [("postcopy-ram", True), ("x-ignore-shared", True)],
    [("xbzrle", True), ("no-such", True)],
    [("xbzrle", 1)],
]


@pytest.mark.parametrize("wanted", SWITCHES, ids=str)
def test_capabilities_go_together_alike(
    both: Twins, wanted: list[tuple[str, Any]]
) -> None:
    off = [{"capability": name, "state": False} for name in CAPABILITIES]
    on = [{"capability": name, "state": state} for name, state in wanted]
    alike(both.run("migrate-set-parameters", multifd_compression="none", tls_creds=""))
    alike(both.run("migrate-set-capabilities", capabilities=off))
    alike(both.run("migrate-set-capabilities", capabilities=on))
    alike(both.run("query-migrate-capabilities"))
    alike(both.run("migrate-set-capabilities", capabilities=off))


@pytest.mark.parametrize(
    "uri",
    ["x", "", "tcp", "tcp:", "tcp:foo", "unix:", "fd:", "fd:nope", "fd:77", "file:/x"],
)
def test_what_cannot_be_a_destination_is_refused_alike(both: Twins, uri: str) -> None:
    alike(both.run("migrate", uri=uri))
    alike(both.run("query-migrate"))


NO_SERVICE = (
    "address resolution failed for 127.0.0.1:x: Servname not supported for ai_socktype"
)


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("tcp:127.0.0.1:1", "Failed to connect to '127.0.0.1:1': Connection refused"),
        (
            "tcp:127.0.0.1:x",
            NO_SERVICE,
        ),
        ("unix:/nope/x", "Failed to connect to '/nope/x': No such file or directory"),
    ],
)
def test_what_cannot_be_reached_fails_later_alike(uri: str, error: str) -> None:
    with twins() as pair:
        events_on(pair)
        alike(pair.run("migrate", uri=uri))
        for talk in (pair.theirs, pair.ours):
            assert talk.until("MIGRATION", status="failed") == [moved("failed")]
        expected = {"status": "failed", "error-desc": error}
        assert alike(pair.run("query-migrate")) == [{"return": expected}]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("migrate", {"uri": "exec:cat>/dev/null", "resume": True}),
        ("migrate", {}),
        ("migrate-continue", {"state": "nothing"}),
        ("migrate-recover", {"uri": "tcp:1:1"}),
        ("migrate-pause", {}),
        ("migrate-start-postcopy", {}),
        ("migrate-incoming", {"uri": "tcp:127.0.0.1:0"}),
        ("migrate_cancel", {}),
    ],
)
def test_what_makes_no_sense_is_refused_alike(
    both: Twins, name: str, arguments: dict[str, Any]
) -> None:
    told = [talk.run(name, arguments) for talk in (both.theirs, both.ours)]
    alike((told[0], told[1]))


def moved(status: str) -> dict[str, Any]:
    """Return the event of that status."""
    return {"event": "MIGRATION", "data": {"status": status}}


def began(number: int) -> dict[str, Any]:
    """Return the event of that pass."""
    return {"event": "MIGRATION_PASS", "data": {"pass": number}}


STOP = {"event": "STOP"}


def begun(talk: Talk, until: str) -> list[Any]:
    """Begin a migration; return the events up to a status.

    QEMU's reply comes from another thread than its events: where it stands is chance.
    """
    heard = talk.run("migrate", {"uri": "exec:cat >/dev/null"})
    if moved(until) not in heard:
        heard += talk.until("MIGRATION", status=until)
    heard.remove({"return": {}})
    return heard


def events_on(pair: Twins, *others: str) -> None:
    """Let both tell of their migrations."""
    on = [{"capability": name, "state": True} for name in ("events", *others)]
    alike(pair.run("migrate-set-capabilities", capabilities=on))


@pytest.mark.parametrize("is_running", [False, True])
def test_a_migration_goes_on_alike(is_running: bool) -> None:
    with twins() as pair:
        events_on(pair)
        if is_running:
            alike(pair.run("cont"))
        for talk in (pair.theirs, pair.ours):
            assert begun(talk, "completed") == [
                moved("setup"),
                began(1),
                moved("active"),
                *([STOP] if is_running else []),
                began(2),
                moved("completed"),
            ]
        theirs, ours = pair.run("query-migrate")
        assert shape(ours) == shape(theirs)
        assert alike(pair.run("query-status"))[0]["return"]["status"] == "postmigrate"
        alike(pair.run("migrate", uri="exec:cat >/dev/null"))
        alike(pair.run("cont"))
        alike(pair.run("query-status"))


def test_it_pauses_before_the_switchover_alike() -> None:
    with twins() as pair:
        events_on(pair, "pause-before-switchover")
        alike(pair.run("cont"))
        for talk in (pair.theirs, pair.ours):
            assert begun(talk, "pre-switchover") == [
                moved("setup"),
                began(1),
                moved("active"),
                STOP,
                moved("pre-switchover"),
            ]
        theirs, ours = pair.run("query-migrate")
        assert shape(ours) == shape(theirs)
        for name in ("query-status", "cont", "stop", "query-status"):
            alike(pair.run(name))
        alike(pair.run("migrate", uri="exec:cat >/dev/null"))
        alike(pair.run("migrate-set-capabilities", capabilities=[]))
        alike(pair.run("migrate-continue", state="device"))
        for talk in (pair.theirs, pair.ours):
            heard = talk.run("migrate-continue", {"state": "pre-switchover"})
            heard += talk.until("MIGRATION", status="completed")
            assert heard.pop(heard.index({"return": {}})) == {"return": {}}
            assert heard == [moved("device"), began(2), moved("completed")]


@pytest.mark.parametrize("at", ["active", "pre-switchover"])
def test_it_is_called_off_alike(at: str) -> None:
    with twins() as pair:
        events_on(pair, "pause-before-switchover")
        if at == "active":
            alike(pair.run("migrate-set-parameters", max_bandwidth=100_000))
        alike(pair.run("cont"))
        for talk in (pair.theirs, pair.ours):
            begun(talk, at)
        theirs, ours = pair.run("query-migrate")
        assert shape(ours) == shape(theirs)
        assert {"type": "migration"} in pair.run("query-yank")[1][0]["return"]
        resumed = [{"event": "RESUME"}] if at == "pre-switchover" else []
        for talk in (pair.theirs, pair.ours):
            heard = talk.run("migrate_cancel")
            if moved("cancelled") not in heard:
                heard += talk.until("MIGRATION", status="cancelled")
            heard.remove({"return": {}})
            assert heard == [moved("cancelling"), *resumed, moved("cancelled")]
        assert alike(pair.run("query-migrate")) == [{"return": {"status": "cancelled"}}]
        alike(pair.run("query-status"))


def test_a_pipe_is_closed_when_it_is_completed(tmp_path: Path) -> None:
    with twins() as pair:
        events_on(pair)
        for talk in (pair.theirs, pair.ours):
            target = tmp_path / "stream"
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            assert talk.run("getfd", {"fdname": "migrate"}, fds=[fd]) == [
                {"return": {}}
            ]
            os.close(fd)
            told = talk.run("migrate", {"uri": "fd:migrate", "detach": True})
            assert told[0] == moved("setup")
            if moved("completed") not in told:
                talk.until("MIGRATION", status="completed")
            assert target.stat().st_size > 10_000 or talk is pair.ours
            refused = talk.run("closefd", {"fdname": "migrate"})
            assert refused[0]["error"]["desc"].endswith("'migrate' not found")


def waiting() -> Machine:
    """Return a machine that waits for another one."""
    machine = Machine()
    machine.transfer(RunState.INMIGRATE)
    machine.migration.may_run = False
    return machine


@pytest.fixture
def waiters() -> Iterator[Twins]:
    """Start a pair that waits to be told where a machine comes from."""
    with twins("-incoming", "defer", machine=waiting()) as pair:
        events_on(pair)
        yield pair


def test_what_waits_for_a_machine_refuses_alike(waiters: Twins) -> None:
    for name in ("query-status", "cont", "query-status", "stop", "query-migrate"):
        alike(waiters.run(name))
    alike(waiters.run("system_reset"))
    alike(waiters.run("migrate", uri="exec:cat >/dev/null"))
    for uri in ("x", "", "tcp:", "tcp:127.0.0.1:x", "unix:/nope/x", "fd:nope"):
        alike(waiters.run("migrate-incoming", uri=uri))
    alike(waiters.run("migrate-incoming", uri="tcp:127.0.0.1:0"))
    alike(waiters.run("migrate-incoming", uri="tcp:127.0.0.1:0"))
    theirs, ours = waiters.run("query-migrate")
    assert shape(ours) == shape(theirs)
    for name in ("query-status", "migrate-pause", "system_wakeup"):
        alike(waiters.run(name))


@pytest.mark.parametrize("is_running", [False, True])
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_machine_arrives_alike(
    waiters: Twins,
    tmp_path: Path,
    is_running: bool,
    goes_on: bool,
) -> None:
    with ExitStack() as stack:
        sources = stack.enter_context(twins())
        events_on(sources)
        if is_running:
            alike(sources.run("cont"))
        if goes_on:
            alike(waiters.run("cont"))
        sides: list[tuple[Talk, Talk]] = [
            (sources.theirs, waiters.theirs),
            (sources.ours, waiters.ours),
        ]
        heard: list[Any] = []
        for number, (source, target) in enumerate(sides):
            path = tmp_path / str(number)
            uri = {"uri": f"unix:{path}"}
            assert target.run("migrate-incoming", uri) == [
                moved("setup"),
                {"return": {}},
            ]
            source.run("migrate", uri)
            source.until("MIGRATION", status="completed")
            heard.append(target.until("MIGRATION", status="completed"))
            assert not path.exists() or target is waiters.theirs  # it lags behind
        assert heard[1] == heard[0]
        for name in ("query-status", "query-migrate"):
            alike(waiters.run(name))
            theirs, ours = sources.run(name)
            assert shape(ours) == shape(theirs)
