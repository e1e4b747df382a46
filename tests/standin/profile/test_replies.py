"""libvirt's recordings as profiles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qmpx.errors import DeviceNotFound
from qmpx.standin.profile.errors import ProfileError
from qmpx.standin.profile.file import canonical, read_profile
from qmpx.standin.profile.replies import read_replies

VERSION = {"qemu": {"micro": 50, "minor": 1, "major": 4}, "package": "v4.1"}
CONVERSATION: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"execute": "qmp_capabilities"}, {"return": {}}),
    ({"execute": "query-version"}, {"return": VERSION}),
    ({"execute": "query-cpu-definitions"}, {"return": [{"name": "host"}]}),
    (
        {"execute": "device-list-properties", "arguments": {"typename": "x"}},
        {"error": {"class": "DeviceNotFound", "desc": "Device 'x' not found"}},
    ),
    ({"execute": "qmp_capabilities"}, {"return": {}}),
    ({"execute": "query-cpu-definitions"}, {"return": [{"name": "max"}]}),
]


def text(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> bytes:
    return "\n\n".join(
        json.dumps(message | {"id": f"libvirt-{number}"}, indent=2)
        for number, pair in enumerate(pairs)
        for message in pair
    ).encode()


def test_a_recording_answers_as_the_binary_did() -> None:
    profile = read_replies(text(CONVERSATION), "caps.replies")
    assert json.loads(profile.version) == VERSION
    assert profile.find("query-version") == (
        b'{"qemu": {"micro": 50, "minor": 1, "major": 4}, "package": "v4.1"}'
    )
    with pytest.raises(DeviceNotFound):
        profile.find("device-list-properties", canonical({"typename": "x"}))


def test_the_second_conversation_is_that_of_the_emulator() -> None:
    profile = read_replies(text(CONVERSATION), "caps.replies")
    assert profile.find("query-cpu-definitions", "{}", "kvm") == b'[{"name": "host"}]'
    assert profile.find("query-cpu-definitions", "{}", "tcg") == b'[{"name": "max"}]'


def test_a_file_is_known_by_its_first_byte(tmp_path: Any) -> None:
    file = tmp_path / "caps.replies"
    file.write_bytes(text(CONVERSATION))
    assert read_profile(file).find("query-cpu-definitions") == b'[{"name": "max"}]'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "is no file of replies"),
        (b'{"execute": "a"}', "no reply follows the command 'a'"),
        (b'{"execute": "a"}{"return": {}}', "no command with a reply to 'query-ver"),
        (b'{"return": {}}', "no command with a reply to 'query-version'"),
    ],
)
def test_what_is_no_recording_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        read_replies(data, "x.replies")
