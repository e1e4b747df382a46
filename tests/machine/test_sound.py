"""Recordings of what the guest plays: WAV files without samples."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.machine import sound
from qmpx.machine.sound import Captures

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (44100, 2, 2)),
        ({"frequency": 8000, "bits": 8, "channels": 1}, (8000, 1, 1)),
    ],
)
def test_a_recording_is_a_wav_file_at_any_time(
    tmp_path: Path, options: dict[str, int], expected: tuple[int, int, int]
) -> None:
    path = str(tmp_path / "x.wav")
    captures = Captures()
    captures.start(path, **options)
    with wave.open(path) as file:
        assert (
            file.getframerate(),
            file.getsampwidth(),
            file.getnchannels(),
            file.getnframes(),
        ) == (*expected, 0)


def test_recordings_are_numbered_from_the_latest(tmp_path: Path) -> None:
    captures = Captures()
    for name in ("a", "b"):
        captures.start(str(tmp_path / name))
    captures.stop(0)
    captures.stop(5)
    captures.stop(-1)
    assert [capture.path for capture in captures] == [str(tmp_path / "a")]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"bits": 12}, "incorrect bit count 12, must be 8 or 16"),
        ({"channels": 3}, "incorrect channel count 3, must be 1 or 2"),
        ({"frequency": 0}, "incorrect frequency 0"),
    ],
)
def test_a_form_that_there_is_not_is_refused(
    tmp_path: Path, options: dict[str, int], reason: str
) -> None:
    with pytest.raises(GenericError) as caught:
        Captures().start(str(tmp_path / "x"), **options)
    assert caught.value.desc == reason
    assert not (tmp_path / "x").exists()


def test_a_file_that_cannot_be_made_is_told() -> None:
    with pytest.raises(GenericError) as caught:
        Captures().start("/nonexistent/x")
    assert caught.value.desc == (
        "Failed to open wave file `/nonexistent/x'\nReason: No such file or directory"
    )


def test_recordings_are_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound, "MAX_CAPTURES", 1)
    captures = Captures()
    captures.start(str(tmp_path / "a"))
    with pytest.raises(GenericError) as caught:
        captures.start(str(tmp_path / "b"))
    assert caught.value.desc == "1 captures are running"
