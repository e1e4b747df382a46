"""The ``.replies`` files of libvirt's tests: recorded conversations, as profiles.

Such a file holds JSON texts one after the other, command and reply in turn, as libvirt
had them when it probed a QEMU. A second negotiation begins a second conversation, which
was held with ``accel=tcg``. What libvirt did not ask such a profile does not know.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from qmpx.standin.profile.errors import ProfileError
from qmpx.standin.profile.file import (
    ANY,
    Profile,
    canonical,
    refused,
    returned,
    write_profile,
)
from qmpx.wire.encode import encode_exactly

_BLANKS: Final = " \t\r\n"
_NEGOTIATION: Final = "qmp_capabilities"


def read_replies(data: bytes, name: str) -> Profile:
    """Return what was recorded, as a profile.

    Args:
        data: The contents of the file.
        name: Its name, for messages.

    Raises:
        ProfileError: It is no such file, or lacks what a profile cannot do without.
    """
    conversations: list[list[tuple[str, bytes, Any]]] = []
    texts = _texts(data, name)
    for command in texts:
        if not isinstance(command, dict) or "execute" not in command:
            continue  # files of libvirt before 2018 have replies only, or a greeting
        reply = next(texts, None)
        if not isinstance(reply, dict) or not reply.keys() & {"return", "error"}:
            message = f"{name}: no reply follows the command {command['execute']!r}"
            raise ProfileError(message)
        if command["execute"] == _NEGOTIATION or not conversations:
            conversations.append([])
        key = f"{command['execute']} {canonical(command.get('arguments', {}))}"
        conversations[-1].append((key, *_record(reply)))
    return Profile(_profile(conversations, name), name)


def _texts(data: bytes, name: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    try:
        text = data.decode()
        place = 0
        while place < len(text):
            if text[place] in _BLANKS:
                place += 1
                continue
            value, place = decoder.raw_decode(text, place)
            yield value
    except (ValueError, RecursionError) as error:
        message = f"{name} is no file of replies: {error}"
        raise ProfileError(message) from None


def _record(reply: dict[str, Any]) -> tuple[bytes, Any]:
    if "return" in reply:
        return returned(encode_exactly(reply["return"])), reply["return"]
    error = reply["error"]
    return refused(str(error.get("class")), str(error.get("desc"))), None


def _profile(conversations: list[list[tuple[str, bytes, Any]]], name: str) -> bytes:
    versions = [
        value
        for conversation in conversations
        for key, _, value in conversation
        if key == "query-version {}" and value is not None
    ]
    if not versions:
        message = f"{name}: no command with a reply to 'query-version' is in it"
        raise ProfileError(message)
    accelerators = ["kvm", "tcg"] if len(conversations) > 1 else [ANY]
    records: dict[str, bytes] = {}
    for accelerator, conversation in zip(accelerators, conversations, strict=False):
        for key, record, _ in conversation:
            records.setdefault(f"{accelerator} {key}", record)
            # What libvirt asked once only, it takes to be the same with both.
            records.setdefault(f"{ANY} {key}", record)
    return write_profile(encode_exactly(versions[0]), records.items())
