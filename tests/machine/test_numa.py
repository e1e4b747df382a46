"""NUMA nodes: what is refused and worked out; the texts are those of QEMU 7.2."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.objects import MemoryBackend

MIB = 2**20


def machine(**flags: bool) -> Machine:
    """Return a PC with four processors in two sockets, and backends m0 and m1."""
    made = Machine(processor_count=4)
    made.qom.become("pc-i440fx-7.2")
    made.qom.processors.topology |= {"sockets": 2, "cores": 2}
    for name in ("m0", "m1"):
        made.objects[name] = MemoryBackend(64 * MIB)
    made.numa.is_complete = False
    for name, value in flags.items():
        setattr(made.numa, name, value)
    return made


NODE = {"type": "node", "memdev": "m0"}
OTHER = {"type": "node", "memdev": "m1"}


def placed(made: Machine) -> list[int | None]:
    return [made.numa.node_of(slot) for slot in made.qom.processors.slots]


@pytest.mark.parametrize(
    ("options", "nodes"),
    [
        ([NODE, OTHER], [0, 0, 1, 1]),
        ([NODE | {"cpus": [0, 2]}, OTHER | {"cpus": [1, 3]}], [0, 1, 0, 1]),
        ([NODE | {"cpus": [0]}, OTHER | {"cpus": [1]}], [0, 1, 0, 0]),
        (
            [
                NODE,
                OTHER,
                {"type": "cpu", "node-id": 1, "socket-id": 0},
                {"type": "cpu", "node-id": 0, "socket-id": 1, "core-id": 1},
            ],
            [1, 1, 0, 0],
        ),
    ],
)
def test_processors_are_put_on_nodes(
    options: list[dict[str, Any]], nodes: list[int]
) -> None:
    made = machine()
    for each in options:
        made.numa.add(each)
    made.numa.complete()
    assert placed(made) == nodes


def test_the_machine_has_no_ram_of_its_own_then() -> None:
    made = machine()
    assert "pc.ram" in made.objects
    made.numa.add(NODE)
    made.numa.add(OTHER)
    made.numa.complete()
    assert list(made.objects) == ["m0", "m1"]
    assert all(
        backend.users == ["/machine"]
        for backend in made.objects.values()
        if isinstance(backend, MemoryBackend)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([NODE, NODE | {"nodeid": 0}], "Duplicate NUMA nodeid: 0"),
        ([NODE | {"nodeid": 128}], "Max number of NUMA nodes reached: 128"),
        ([NODE | {"nodeid": 70000}], "Parameter 'nodeid' expects uint16_t"),
        (
            [NODE | {"cpus": [4]}],
            "CPU index (4) should be smaller than maxcpus (4)",
        ),
        ([{"type": "node", "memdev": "nix"}], "memdev=nix is ambiguous"),
        ([{"type": "cpu", "socket-id": 0}], "Missing mandatory node-id property"),
        ([NODE, {"type": "cpu", "node-id": 0, "socket-id": 9}], "no match found"),
        (
            [NODE, {"type": "cpu", "node-id": 0, "die-id": 0}],
            "die-id is not supported",
        ),
        (
            [NODE | {"cpus": [0]}, OTHER | {"cpus": [0]}],
            "CPU is already assigned to node-id: 0",
        ),
        (
            [NODE, {"type": "dist", "src": 0, "dst": 128, "val": 20}],
            "Parameter 'dst' expects an integer between 0 and 127",
        ),
        (
            [NODE, {"type": "dist", "src": 0, "dst": 0, "val": 20}],
            "Local distance of node 0 should be 10.",
        ),
    ],
)
def test_options_that_contradict_what_is_there_are_refused(
    options: list[dict[str, Any]], message: str
) -> None:
    made = machine()
    *before, last = options
    for each in before:
        made.numa.add(each)
    with pytest.raises(GenericError) as caught:
        made.numa.add(last)
    assert caught.value.desc == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            [NODE],
            "total memory for NUMA nodes (0x4000000) should equal RAM size (0x8000000)",
        ),
        ([NODE, OTHER | {"nodeid": 2}], "numa: Node ID missing: 1"),
        (
            [
                NODE,
                OTHER,
                {"type": "node"},
                {"type": "dist", "src": 0, "dst": 1, "val": 20},
            ],
            (
                "The distance between node 0 and 2 is missing, at least one distance "
                "value between each nodes should be provided."
            ),
        ),
    ],
)
def test_a_whole_that_contradicts_itself_is_refused(
    options: list[dict[str, Any]], message: str
) -> None:
    made = machine()
    for each in options:
        made.numa.add(each)
    with pytest.raises(GenericError) as caught:
        made.numa.complete()
    assert caught.value.desc == message


def test_distances_that_were_told_one_way_count_both_ways() -> None:
    made = machine()
    for each in (NODE, OTHER, {"type": "dist", "src": 0, "dst": 1, "val": 30}):
        made.numa.add(each)
    made.numa.complete()
    numa = made.numa
    assert [numa.distance(a, b) for a in (0, 1) for b in (0, 1)] == [10, 30, 30, 10]


def test_memory_that_can_come_later_has_a_node() -> None:
    made = machine()
    made.qom.memory_slots = 2
    made.numa.complete()
    assert placed(made) == [0, 0, 0, 0]
    assert made.numa.nodes[0].memory == 128 * MIB


def test_boards_without_nodes_take_none() -> None:
    made = Machine()
    made.numa.is_complete = False
    with pytest.raises(GenericError) as caught:
        made.numa.add(NODE)
    assert caught.value.desc == "NUMA is not supported by this machine-type"
