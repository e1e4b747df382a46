"""Descriptors that clients hand over: who keeps them, and when they are closed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.dialects.modern import modern_monitor
from qmpx.errors import FdNotFound, FdNotSupplied, InvalidParameterValue
from qmpx.machine import Machine
from qmpx.monitor.descriptors import (
    DescriptorSets,
    NamedDescriptors,
    PendingDescriptors,
)
from qmpx.transport.channel import MAX_FDS
from tests.loops import settle
from tests.monitor.conftest import (
    NEGOTIATE,
    command,
    failed,
    returned,
    spelled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.monitor.conftest import Connect, Peer, Run


class Pipes:
    """Pipes whose writing ends are handed over: closing one is seen at the other."""

    def __init__(self) -> None:
        self._readers: dict[str, int] = {}

    def make(self, name: str) -> int:
        """Return the writing end of a new pipe; whoever gets it closes it."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self._readers[name] = reader
        return writer

    @contextmanager
    def lent(self, *names: str) -> Iterator[list[int]]:
        """Give the writing ends of new pipes; ours are closed in the end."""
        writers = [self.make(name) for name in names]
        yield writers
        for writer in writers:
            os.close(writer)

    def closed(self) -> list[str]:
        """Return the names of those pipes that nobody can write to any more."""
        return [name for name, fd in self._readers.items() if _is_at_its_end(fd)]

    def close(self) -> None:
        for reader in self._readers.values():
            os.close(reader)


def _is_at_its_end(reader: int) -> bool:
    try:
        return not os.read(reader, 1)
    except BlockingIOError:
        return False


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes()
    yield made
    made.close()


# Kept by themselves.


def test_the_first_pending_descriptor_is_taken_and_the_others_are_closed(
    pipes: Pipes,
) -> None:
    pending = PendingDescriptors()
    with pytest.raises(FdNotSupplied):
        pending.take()
    fds = [pipes.make(name) for name in ("a", "b", "c")]
    pending.replace(fds)
    assert pending.take() == fds[0]
    assert pipes.closed() == ["b", "c"]
    with pytest.raises(FdNotSupplied):
        pending.take()
    os.close(fds[0])


def test_pending_descriptors_are_closed_by_those_that_come_next(pipes: Pipes) -> None:
    pending = PendingDescriptors()
    pending.replace([pipes.make("a"), pipes.make("b")])
    pending.replace([pipes.make("c")])
    assert pipes.closed() == ["a", "b"]
    pending.replace([])
    assert pipes.closed() == ["a", "b", "c"]


def test_a_name_in_use_is_replaced_and_its_descriptor_closed(pipes: Pipes) -> None:
    named = NamedDescriptors()
    named.add("x", pipes.make("first"))
    named.add("", pipes.make("nameless"))
    named.add("x", second := pipes.make("second"))
    assert pipes.closed() == ["first"]
    assert named.take("x") == second
    with pytest.raises(FdNotFound, match="named 'x' not found"):
        named.take("x")
    named.close()
    with pytest.raises(FdNotFound):
        named.take("")
    assert pipes.closed() == ["first", "nameless"]
    os.close(second)


def test_a_name_that_begins_with_a_digit_is_refused_and_the_descriptor_closed(
    pipes: Pipes,
) -> None:
    with pytest.raises(InvalidParameterValue, match="not starting with a digit"):
        NamedDescriptors().add("1x", pipes.make("a"))
    assert pipes.closed() == ["a"]


def test_a_set_without_a_number_gets_the_lowest_free_one(pipes: Pipes) -> None:
    sets = DescriptorSets()
    fds = [pipes.make(str(n)) for n in range(6)]
    assert sets.add(fds[0], None, None) == 0
    assert sets.add(fds[1], 2, None) == 2
    assert sets.add(fds[2], None, None) == 1
    assert sets.add(fds[3], None, None) == 3
    assert list(sets.sets) == [0, 1, 2, 3]
    sets.remove(1, None, running=True)
    assert sets.add(fds[4], None, None) == 1
    with pytest.raises(InvalidParameterValue, match="expects a non-negative value"):
        sets.add(fds[5], -1, None)
    assert pipes.closed() == ["2", "5"]
    sets.close()
    assert pipes.closed() == ["0", "1", "2", "3", "4", "5"]
    assert sets.sets == {}


def test_what_is_removed_while_the_machine_stands_is_closed_when_it_runs(
    pipes: Pipes,
) -> None:
    sets = DescriptorSets()
    first, second = pipes.make("first"), pipes.make("second")
    sets.add(first, 0, None)
    sets.add(second, 0, None)
    sets.remove(0, first, running=False)
    assert pipes.closed() == []
    sets.remove(0, second, running=True)
    assert pipes.closed() == ["first", "second"]
    assert sets.sets == {}


@pytest.mark.parametrize(
    ("set_id", "fd", "which"), [(7, None, "fdset-id:7"), (0, 99, "fdset-id:0, fd:99")]
)
def test_what_is_in_no_set_cannot_be_removed(
    pipes: Pipes, set_id: int, fd: int | None, which: str
) -> None:
    sets = DescriptorSets()
    sets.add(pipes.make("a"), 0, None)
    with pytest.raises(
        FdNotFound, match=f"^FdNotFound: File descriptor named '{which}' not found$"
    ):
        sets.remove(set_id, fd, running=True)
    assert pipes.closed() == []
    sets.close()


def test_sets_that_nobody_can_use_any_more_are_closed_if_the_machine_runs(
    pipes: Pipes,
) -> None:
    sets = DescriptorSets()
    for n, name in enumerate(("a", "b")):
        sets.add(pipes.make(name), n, None)
    sets.abandon(running=False)
    assert pipes.closed() == []
    sets.abandon(running=True)
    assert pipes.closed() == ["a", "b"]
    assert sets.sets == {}


# Over the wire.


async def hand_over(peer: Peer, data: bytes, pipes: Pipes, *names: str) -> None:
    """Send bytes, and the writing ends of new pipes with them."""
    with pipes.lent(*names) as fds:
        await peer.send_fds(data, *fds)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def check_leaks(open_fds: Callable[[], int]) -> Iterator[None]:
    """Hold that a test leaves as many descriptors open as there were."""
    before = open_fds()
    yield
    assert open_fds() == before


NO_FD = failed("No file descriptor supplied via SCM_RIGHTS")


@pytest.mark.usefixtures("check_leaks")
@pytest.mark.parametrize(
    "comes_with",
    [
        spelled(command("query-name")),
        b"\n",
        spelled(NEGOTIATE),
        b"{]\n",
        b'{"exec',
    ],
    ids=["command", "newline", "negotiation", "fault", "half a command"],
)
def test_a_descriptor_is_kept_whatever_it_came_with(
    run: Run,
    machine: Machine,
    path: str,
    connect: Connect,
    pipes: Pipes,
    comes_with: bytes,
) -> None:
    rest = b'ute": "stop"}' if b"exec" in comes_with[-6:] else b""

    async def main() -> None:
        async with modern_monitor(machine).serve(path):
            peer = await connect(NEGOTIATE)
            await hand_over(peer, comes_with, pipes, "a")
            await peer.send(rest, command("getfd", "end", fdname="x"))
            assert (await peer.now())[-1] == returned({}, "end")
            assert pipes.closed() == []
            assert await peer.ask(command("closefd", fdname="x")) == returned({})
            assert pipes.closed() == ["a"]
            assert await peer.ask(command("closefd", fdname="x")) == failed(
                "File descriptor named 'x' not found"
            )
            assert await peer.ask(command("getfd", fdname="x")) == NO_FD
            peer.close()

    run(main())


@pytest.mark.usefixtures("check_leaks")
def test_a_descriptor_from_before_negotiation_is_kept(
    run: Run, machine: Machine, path: str, connect: Connect, pipes: Pipes
) -> None:
    async def main() -> None:
        async with modern_monitor(machine).serve(path):
            peer = await connect()
            await hand_over(peer, b" ", pipes, "a")
            await peer.receive()
            await peer.send(NEGOTIATE, command("getfd", fdname="x"))
            assert await peer.receive(2) == [returned({}), returned({})]
            assert pipes.closed() == []
            peer.close()

    run(main())


@pytest.mark.usefixtures("check_leaks")
def test_a_refusal_for_the_arguments_leaves_the_descriptor_where_it_is(
    run: Run, machine: Machine, path: str, connect: Connect, pipes: Pipes
) -> None:
    async def main() -> None:
        async with modern_monitor(machine).serve(path):
            peer = await connect(NEGOTIATE)
            await hand_over(peer, spelled(command("getfd")), pipes, "a")
            await peer.send(command("getfd", fdname="x"))
            assert await peer.receive(2) == [
                failed("Parameter 'fdname' is missing"),
                returned({}),
            ]
            assert pipes.closed() == []
            peer.close()

    run(main())


@pytest.mark.usefixtures("check_leaks")
def test_pending_ones_end_with_the_connection_and_named_ones_with_the_listener(
    run: Run, machine: Machine, path: str, connect: Connect, pipes: Pipes
) -> None:
    async def main() -> None:
        async with modern_monitor(machine).serve(path):
            peer = await connect(NEGOTIATE)
            with pipes.lent("named") as fds:
                await peer.send_fds(spelled(command("getfd", fdname="x")), *fds)
            await hand_over(peer, b"\n", pipes, "pending")
            peer.close()
            await settle()
            assert pipes.closed() == ["pending"]
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("getfd", fdname="y")) == NO_FD
            peer.close()
        assert pipes.closed() == ["named", "pending"]

    run(main())


@pytest.mark.usefixtures("check_leaks")
def test_names_belong_to_a_listener_and_sets_to_the_monitor(
    run: Run, machine: Machine, directory: Path, connect: Connect, pipes: Pipes
) -> None:
    first, second = str(directory / "1"), str(directory / "2")

    async def main() -> None:
        async with modern_monitor(machine).serve(first, second):
            here, there = (
                await connect(NEGOTIATE, first),
                await connect(NEGOTIATE, second),
            )
            same = await connect(NEGOTIATE, first)
            await hand_over(here, b"\n", pipes, "a")
            assert await there.ask(command("getfd", fdname="x")) == NO_FD
            assert await same.ask(command("getfd", fdname="x")) == NO_FD
            assert await here.ask(command("getfd", fdname="x")) == returned({})
            assert "error" in await there.ask(command("closefd", fdname="x"))
            assert await same.ask(command("closefd", fdname="x")) == returned({})
            assert pipes.closed() == ["a"]
            await hand_over(here, b"\n", pipes, "b")
            added = await here.ask(command("add-fd", opaque="o"))
            sets = [
                {"fdset-id": 0, "fds": [{"fd": added["return"]["fd"], "opaque": "o"}]}
            ]
            assert await there.ask(command("query-fdsets")) == returned(sets)
            for peer in (here, there, same):
                peer.close()

    run(main())
    assert pipes.closed() == ["a", "b"]


@pytest.mark.usefixtures("check_leaks")
def test_a_received_descriptor_is_the_one_that_was_sent_and_not_inheritable(
    run: Run, machine: Machine, path: str, connect: Connect
) -> None:
    async def main() -> None:
        monitor = modern_monitor(machine)
        reader, writer = os.pipe()
        async with monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.send_fds(spelled(command("add-fd")), writer)
            [reply] = await peer.receive()
            theirs = reply["return"]["fd"]
            assert theirs != writer
            assert not os.get_inheritable(theirs)
            os.write(theirs, b"hello")
            assert os.read(reader, 9) == b"hello"
            peer.close()
        os.close(reader)
        os.close(writer)

    run(main())


@pytest.mark.usefixtures("check_leaks")
@pytest.mark.parametrize("running", [False, True])
def test_sets_end_with_the_last_client_of_a_running_machine(
    run: Run,
    machine: Machine,
    path: str,
    connect: Connect,
    pipes: Pipes,
    running: bool,
) -> None:
    if running:
        machine.cont()

    async def main() -> None:
        async with modern_monitor(machine).serve(path):
            peer, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await hand_over(peer, spelled(command("add-fd")), pipes, "a")
            peer.close()
            await settle()
            assert pipes.closed() == []
            other.close()
            await settle()
            assert pipes.closed() == (["a"] if running else [])
        assert pipes.closed() == ["a"]

    run(main())


@pytest.mark.usefixtures("check_leaks")
def test_more_descriptors_than_are_taken_are_closed(
    run: Run, machine: Machine, path: str, connect: Connect, pipes: Pipes
) -> None:
    names = [f"{n:02}" for n in range(MAX_FDS + 8)]

    async def main() -> None:
        async with modern_monitor(machine).serve(path):
            peer = await connect(NEGOTIATE)
            await hand_over(peer, spelled(command("getfd", fdname="x")), pipes, *names)
            assert await peer.receive() == [returned({})]
            assert pipes.closed() == names[1:]
            peer.close()

    run(main())


@pytest.mark.usefixtures("check_leaks")
def test_descriptors_of_a_client_that_is_held_back_are_closed_in_the_end(
    run: Run, machine: Machine, path: str, connect: Connect, pipes: Pipes
) -> None:
    async def main() -> None:
        async with modern_monitor(machine).serve(path):
            peer = await connect()
            # They lie in the kernel's queue when the connection ends.
            await hand_over(peer, b"\n", pipes, "a")
            await hand_over(peer, b"\n", pipes, "b")
            peer.close()
            await settle()
            assert pipes.closed() == ["a", "b"]

    run(main())


def test_a_stream_socket_that_is_no_unix_socket_carries_none(
    run: Run, machine: Machine, connect: Connect
) -> None:
    async def main() -> None:
        async with modern_monitor(machine).serve("tcp:127.0.0.1:0") as server:
            address: Any = server.addresses[0]
            peer = await connect(NEGOTIATE, ("127.0.0.1", address.port))
            assert await peer.ask(command("getfd", fdname="x")) == NO_FD

    run(main())
