"""Sound: what is recorded of an audio back end, by people's commands."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import BIN, ENVIRONMENT, SECONDS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def said(words: list[str], *lines: str) -> list[str]:
    """Return what people are told, line by line."""
    requests: list[dict[str, Any]] = [{"execute": "qmp_capabilities"}]
    requests += [
        {"execute": "human-monitor-command", "arguments": {"command-line": line}}
        for line in lines
    ]
    requests.append({"execute": "quit"})
    ended = subprocess.run(
        [BIN / "qmpx-system-x86_64", "-display", "none", "-qmp", "stdio", *words],
        input="".join(map(json.dumps, requests)),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    messages = [json.loads(line) for line in ended.stdout.splitlines()]
    replies = [each["return"] for each in messages if "return" in each]
    return [text.replace("\r\n", "\n") for text in replies[1:-1]]


# What a QEMU 7.2.22 says.
@pytest.mark.parametrize(
    "option", ["none,id=snd0", '{"driver":"none","id":"snd0"}'], ids=["pairs", "json"]
)
def test_an_audio_back_end_is_recorded(option: str, tmp_path: Path) -> None:
    one, other = tmp_path / "a.wav", tmp_path / "b.wav"
    assert said(
        ["-S", "-audiodev", option],
        f"wavcapture {one} snd0 44100 16 1",
        f"wavcapture {other} snd0",
        "info capture",
        "stopcapture 1",
        "info capture",
        "stopcapture 0",
        "info capture",
    ) == [
        "",
        "",
        (
            f"[0]: Capturing audio(44100,16,2) to {other}: 0 bytes\n"
            f"[1]: Capturing audio(44100,16,1) to {one}: 0 bytes\n"
        ),
        "",
        f"[0]: Capturing audio(44100,16,2) to {other}: 0 bytes\n",
        "",
        "",
    ]
    assert [path.stat().st_size for path in (one, other)] == [44, 44]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("wavcapture /none/x snd1", "Audiodev 'snd1' not found\n"),
        (
            "wavcapture /none/x snd0",
            (
                "Failed to open wave file `/none/x': No such file or directory\n"
                "Failed to add wave capture\n"
            ),
        ),
        (
            "wavcapture /none/x snd0 44100 7",
            "incorrect bit count 7, must be 8 or 16\nFailed to add wave capture\n",
        ),
        (
            "wavcapture /none/x snd0 44100 8 3",
            "incorrect channel count 3, must be 1 or 2\nFailed to add wave capture\n",
        ),
    ],
)
def test_a_recording_that_cannot_be_made_is_refused(line: str, told: str) -> None:
    assert said(["-S", "-audiodev", "none,id=snd0"], line) == [told]
