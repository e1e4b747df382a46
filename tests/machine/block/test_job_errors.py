"""What a job does about an error."""

from __future__ import annotations

import errno

import pytest

from qmpx.machine.block.job_errors import (
    action,
    as_source_error,
    is_no_space,
    is_source_error,
)


@pytest.mark.parametrize(
    ("policy", "full", "other"),
    [
        ("report", "report", "report"),
        ("ignore", "ignore", "ignore"),
        ("stop", "stop", "stop"),
        ("enospc", "stop", "report"),
        ("auto", "report", "report"),
    ],
)
def test_what_is_done_is_what_the_user_wants(
    policy: str, full: str, other: str
) -> None:
    assert action(policy, OSError(errno.ENOSPC, "No space left on device")) == full
    assert action(policy, OSError(errno.EIO, "Input/output error")) == other


def test_an_error_is_one_of_the_target_unless_it_is_marked() -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    assert not is_source_error(error)
    assert is_source_error(as_source_error(error))
    assert is_no_space(error)
