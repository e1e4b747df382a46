"""Parameters and capabilities: what goes together, and that all or nothing is taken."""

from __future__ import annotations

import pytest

from qmpx.errors import GenericError
from qmpx.machine.migration.parameters import (
    CAPABILITIES,
    NAMES,
    Parameters,
    changed,
    with_capabilities,
)

THROTTLE = (
    "Parameter 'max_cpu_throttle' expects an integer in the range of "
    "cpu_throttle_initial to 99"
)


def test_a_parameter_changes_alone() -> None:
    before = Parameters()
    after = changed(before, {"downtime_limit": 400})
    differing = [n for n in NAMES if getattr(before, n) != getattr(after, n)]
    assert (differing, after.downtime_limit) == (["downtime_limit"], 400)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (
            {"downtime_limit": 5, "compress_level": 10},
            "Parameter 'compress_level' expects a value between 0 and 9",
        ),
        (
            {"multifd_channels": 256},
            "Parameter 'multifd-channels' expects uint8_t",
        ),
        (
            {"x_checkpoint_delay": 2**32},
            "Parameter 'x-checkpoint-delay' expects uint32_t",
        ),
        (
            {"cpu_throttle_initial": 50, "max_cpu_throttle": 49},
            THROTTLE,
        ),
    ],
)
def test_what_is_out_of_range_is_refused(given: dict[str, int], error: str) -> None:
    with pytest.raises(GenericError) as caught:
        changed(Parameters(), given)
    assert caught.value.desc == error


def test_levels_of_multifd_are_taken_and_stay_as_they_are() -> None:
    assert changed(Parameters(), {"multifd_zlib_level": 9}) == Parameters()


@pytest.mark.parametrize("name", CAPABILITIES)
def test_a_capability_is_switched_off_again(name: str) -> None:
    assert with_capabilities(frozenset({name}), {name: False}, Parameters()) == set()


def test_zero_copies_need_plain_multifd() -> None:
    wanted = {"multifd": True, "zero-copy-send": True}
    assert with_capabilities(frozenset(), wanted, Parameters()) == set(wanted)
    for spoilt in (Parameters(tls_creds="x"), Parameters(multifd_compression="zlib")):
        with pytest.raises(GenericError) as caught:
            with_capabilities(frozenset(), wanted, spoilt)
        assert caught.value.desc == (
            "Zero copy only available for non-compressed non-TLS multifd migration"
        )
