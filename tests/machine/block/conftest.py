"""Machines with nodes in them, for tests of the block graph and its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.block.mirroring import MirrorJob
from qmpx.machine.block.qcow2_header import new_image
from qmpx.machine.happenings import JobMoved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.job import Job
    from qmpx.machine.block.nodes import Node

KIB, MIB = 1 << 10, 1 << 20
SIZE = 4 * MIB


class Shop:
    """A machine with virtual time, two empty disks, and what it has told."""

    def __init__(self, size: int = 4 * MIB) -> None:
        self.clock = VirtualClock()
        self.machine = Machine(clock=self.clock)
        self.graph = self.machine.blocks
        self.told: list[Any] = []
        self.machine.listen(self.told.append)
        for name in ("source", "target"):
            self.null(name, size)

    def null(self, name: str, size: int) -> None:
        """Make a node without data."""
        self.graph.add({"driver": "null-co", "node-name": name, "size": size})

    def mirror(self, **rest: Any) -> Job:
        """Begin to mirror."""
        nodes = self.graph.nodes
        job = MirrorJob(self.graph, "m", nodes["source"], nodes["target"], **rest)
        self.graph.jobs.begin(job)
        return job

    def states(self) -> list[str]:
        """Return the states that jobs have come to since the last time."""
        states = [each.status for each in self.told if isinstance(each, JobMoved)]
        self.told.clear()
        return states


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Open a shop, and close it."""
    opened = Shop()
    yield opened
    opened.machine.close()


class Chain:
    """A machine with a chain of three images, an empty one, and virtual time.

    Below is a raw image of ones, in front of it one with twos at 1 MiB, in front of
    that one with threes at 2 MiB.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = VirtualClock()
        self.machine = Machine(clock=self.clock)
        self.graph = self.machine.blocks
        (folder / "base").write_bytes(b"\1" * SIZE)
        self.image("mid", "base", "raw")
        self.image("top", "mid", "qcow2")
        (folder / "copy").write_bytes(bytes(SIZE))
        self.base = self.add("base", "raw")
        self.mid = self.add("mid", "qcow2", backing="base")
        self.mid.write(MIB, b"\2" * (64 * KIB))
        self.top = self.add("top", "qcow2", backing="mid")
        self.top.write(2 * MIB, b"\3" * (64 * KIB))
        self.copy = self.add("copy", "raw")

    def image(self, name: str, behind: str, format_: str) -> None:
        """Make an image file in front of another."""
        content = new_image(
            SIZE, backing_file=behind, backing_format=format_, version=3
        )
        (self.folder / name).write_bytes(content)

    def add(self, name: str, driver: str, **more: Any) -> Node:
        """Make a node for an image file."""
        file = {"driver": "file", "filename": str(self.folder / name)}
        options = {"driver": driver, "node-name": name, "file": file, **more}
        return self.graph.add(options)

    def run(self, job: Any) -> None:
        """Run a job until nothing happens any more."""
        self.graph.jobs.begin(job)
        self.clock.advance(0)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    """Make a chain of images, and close it."""
    made = Chain(tmp_path)
    yield made
    made.machine.close()


def places(node: Node) -> bytes:
    """Return one byte of each of the places that differ."""
    return b"".join(node.read(at, 1) for at in (0, MIB, 2 * MIB))


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[BlockGraph]:
    """Make a graph, and two images: ``raw``, and ``cow`` in front of it."""
    (tmp_path / "raw").write_bytes(b"\1" * MIB)
    content = new_image(MIB, backing_file="raw", backing_format="raw", version=3)
    (tmp_path / "cow").write_bytes(content)
    machine = Machine()
    yield machine.blocks
    machine.close()


def file(tmp_path: Path, name: str, **more: Any) -> dict[str, Any]:
    """Return the options of a file's node."""
    return {"driver": "file", "filename": str(tmp_path / name), **more}
