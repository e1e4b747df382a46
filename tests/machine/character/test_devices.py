"""The character devices of a machine: making, sharing and closing them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import (
    CommandError,
    DuplicateId,
    GenericError,
    InvalidParameterValue,
    MissingParameter,
)
from qmpx.machine.character import CharacterDevices, devices
from tests.loops import LOOPS, run_on

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.parametrize("loop", LOOPS)


@pytest.mark.parametrize(
    ("options", "filename"),
    [
        ({"backend": "null"}, "null"),
        ({"backend": "vc"}, "vc"),
        ({"backend": "file", "path": "PLACE/f"}, "file"),
        ({"backend": "udp", "port": "1"}, "udp"),
        (
            {"backend": "socket", "path": "PLACE/s", "server": "on", "wait": "off"},
            "unix:PLACE/s,server",
        ),
        (
            {
                "backend": "socket",
                "host": "127.0.0.1",
                "port": "0",
                "server": "on",
                "wait": "off",
                "telnet": "on",
            },
            "telnet:127.0.0.1:0,server",
        ),
    ],
)
def test_a_device_is_listed_with_where_it_leads(
    loop: str, tmp_path: Path, options: dict[str, str], filename: str
) -> None:
    async def main() -> None:
        characters = CharacterDevices()
        given = {n: v.replace("PLACE", str(tmp_path)) for n, v in options.items()}
        await characters.open({"id": "c", **given})
        assert [(d.label, d.filename) for d in characters] == [
            ("c", filename.replace("PLACE", str(tmp_path)))
        ]
        characters.close()
        assert len(characters) == 0

    run_on(loop, main())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"backend": "null"}, MissingParameter(name="id")),
        ({"id": "x"}, MissingParameter(name="backend")),
        (
            {"id": "1", "backend": "null"},
            InvalidParameterValue(name="id", expected="an identifier"),
        ),
        ({"id": "c", "backend": "null"}, DuplicateId(id="c", object="chardev")),
        ({"id": "x", "backend": "file"}, MissingParameter(name="path")),
        ({"id": "x", "backend": "socket"}, MissingParameter(name="port")),
        ({"id": "x", "backend": "udp"}, MissingParameter(name="port")),
        (
            {"id": "x", "backend": "foo"},
            GenericError('chardev: backend "foo" not found'),
        ),
        (
            {"id": "x", "backend": "socket", "port": "65536"},
            GenericError("'65536' is no port"),
        ),
        (
            {"id": "x", "backend": "file", "path": "/nonexistent/x"},
            GenericError('chardev: opening backend "file" failed'),
        ),
        (
            {"id": "x", "backend": "socket", "path": "/nonexistent/x"},
            GenericError('chardev: opening backend "socket" failed'),
        ),
    ],
)
def test_a_device_that_cannot_be_had_is_told(
    loop: str, options: dict[str, str], error: CommandError
) -> None:
    async def main() -> None:
        characters = CharacterDevices()
        await characters.open({"id": "c", "backend": "null"})
        with pytest.raises(CommandError) as caught:
            await characters.open(options)
        assert (type(caught.value), caught.value.data, caught.value.desc) == (
            type(error),
            error.data,
            error.desc,
        )
        assert [device.label for device in characters] == ["c"]

    run_on(loop, main())


def test_one_device_may_use_it_and_four_a_shared_one(loop: str) -> None:
    async def main() -> None:
        characters = CharacterDevices()
        await characters.open({"id": "c", "backend": "null"})
        await characters.open_legacy("m", "mon:null")
        assert [(d.label, d.filename) for d in characters] == [
            ("c", "null"),
            ("m-base", "null"),
            ("m", "null"),
        ]
        assert [characters.take("c") for _ in range(2)] == [True, False]
        assert [characters.take("m") for _ in range(5)] == [True] * 4 + [False]
        assert not characters.take("m-base")
        characters.release("c")
        assert characters.take("c")
        characters.remove("m")
        characters.remove("nobody")
        assert [device.label for device in characters] == ["c"]

    run_on(loop, main())


def test_a_device_may_be_named_instead(loop: str) -> None:
    async def main() -> None:
        characters = CharacterDevices()
        made = await characters.open({"id": "c", "backend": "null"})
        assert await characters.open_legacy("serial0", "chardev:c") is made
        with pytest.raises(GenericError) as caught:
            await characters.open_legacy("serial1", "chardev:x")
        assert caught.value.desc == 'chardev "x" not found'

    run_on(loop, main())


def test_labels_that_are_free_can_be_had(loop: str) -> None:
    async def main() -> None:
        characters = CharacterDevices()
        await characters.open({"id": "usb0", "backend": "null"})
        assert characters.free_label("usb") == "usb1"

    run_on(loop, main())


def test_devices_are_limited(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "MAX_DEVICES", 1)

    async def main() -> None:
        characters = CharacterDevices()
        await characters.open({"id": "a", "backend": "null"})
        with pytest.raises(GenericError) as caught:
            await characters.open({"id": "b", "backend": "null"})
        assert caught.value.desc == "there are 1 character devices already"

    run_on(loop, main())


def test_devices_on_files_are_made_too(loop: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    async def main() -> None:
        characters = CharacterDevices()
        await characters.open({"id": "p", "backend": "pty"})
        name = characters["p"].filename
        await characters.open_legacy("t", name.removeprefix("pty:"))
        await characters.open_legacy("q", f"pipe:{tmp_path}/pipe")
        assert name.startswith("pty:/dev/")
        assert [(d.label, d.filename) for d in characters] == [
            ("p", name),
            ("t", "tty"),
            ("q", "pipe"),
        ]
        characters.close()

    run_on(loop, main())
