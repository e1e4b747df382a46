"""Objects that users create."""

from __future__ import annotations

from qmpx.machine.objects import IOThread, Secret


def test_a_secret_is_not_shown() -> None:
    assert repr({"a": Secret(b"hush")}) == "{'a': Secret(...)}"


def test_an_io_thread_polls_as_long_as_qemus() -> None:
    assert IOThread().poll_max_ns == 32768
