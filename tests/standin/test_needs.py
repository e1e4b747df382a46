"""What a machine needs, by its command line."""

from __future__ import annotations

import pytest

from qmpx.standin.failure import StartFailure
from qmpx.standin.needs import fill_topology, memory_size, processor_count
from qmpx.standin.option_lists import OptionList
from qmpx.standin.options import MEMORY


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ({}, (1, 1, 1, 1, 1)),
        ({"cpus": 4}, (4, 4, 1, 4, 1)),
        ({"cpus": 2, "maxcpus": 4}, (2, 4, 1, 4, 1)),
        ({"maxcpus": 4}, (4, 4, 1, 4, 1)),
        ({"sockets": 2, "cores": 2, "threads": 2}, (8, 8, 2, 2, 2)),
        ({"cpus": 8, "cores": 2}, (8, 8, 4, 2, 1)),
        ({"cpus": 8, "sockets": 2, "cores": 2}, (8, 8, 2, 2, 2)),
    ],
)
def test_what_is_left_out_of_a_topology_is_worked_out(
    given: dict[str, int], filled: tuple[int, ...]
) -> None:
    full = fill_topology(given)
    names = ("cpus", "maxcpus", "sockets", "cores", "threads")
    assert tuple(full[name] for name in names) == filled


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cpus": "x"}, "Parameter 'smp.cpus' expects integer"),
        ({"foo": "1"}, "Parameter 'smp.foo' is unexpected"),
        (
            {"cpus": "4", "maxcpus": "2"},
            (
                "Invalid CPU topology: maxcpus must be equal to or greater than smp: "
                "sockets (1) * cores (2) * threads (1) == maxcpus (2) < smp_cpus (4)"
            ),
        ),
        (
            {"cpus": "1", "sockets": "2", "cores": "1", "threads": "1"},
            (
                "Invalid CPU topology: product of the hierarchy must match maxcpus: "
                "sockets (2) * cores (1) * threads (1) != maxcpus (1)"
            ),
        ),
    ],
)
def test_a_topology_that_contradicts_itself_is_refused(
    given: dict[str, str], message: str
) -> None:
    with pytest.raises(StartFailure) as caught:
        processor_count(given)
    assert caught.value.text == message


@pytest.mark.parametrize(
    ("text", "size"),
    [("64", 64 * 2**20), ("size=1G", 2**30), ("65536k,maxmem=1G", 2**26)],
)
def test_memory_is_in_mebibytes_unless_it_says_so(text: str, size: int) -> None:
    assert memory_size(OptionList("-m", text, MEMORY, "size")) == size


def test_memory_of_which_nothing_is_said_is_that_of_qemu() -> None:
    assert memory_size(None) == 128 * 2**20
