"""Objects that users create: secrets, I/O threads, memory; all refusals."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.dialects.modern.objects.objects import MAX_SECRET
from qmpx.machine.objects import IOThread, MemoryBackend, Secret

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dialects.conftest import Box


NO_FILE = "No such file or directory"


def add(box: Box, kind: str, **options: Any) -> Any:
    """Create an object ``a``."""
    return box.run("object-add", qom_type=kind, **{"id": "a", **options})


def refused(box: Box, kind: str, **options: Any) -> str:
    """Try to create an object ``a``; return why that is refused."""
    options = {"id": "a", **options}
    error_class, desc = box.refusal("object-add", qom_type=kind, **options)
    assert error_class == "GenericError"
    assert "a" not in box.machine.objects
    return desc


@pytest.mark.parametrize(
    ("options", "secret"),
    [
        ({"data": "letmein"}, b"letmein"),
        ({"data": "ü"}, "ü".encode()),
        ({"data": ""}, b""),
        ({"data": "aGk=", "format": "base64"}, b"hi"),
        ({"data": "aGk", "format": "base64"}, b"hi"),
        ({"data": "aG\nk=\n", "format": "base64"}, b"hi"),
        ({"data": "aGkhaGkhQ", "format": "base64"}, b"hi!hi!"),
        ({"data": "====", "format": "base64"}, b""),
        ({"data": "x", "format": "raw"}, b"x"),
    ],
)
def test_a_secret_given_in_the_command(
    box: Box, options: dict[str, str], secret: bytes
) -> None:
    assert add(box, "secret", **options) == {}
    assert box.machine.objects["a"] == Secret(secret)
    assert repr(box.machine.objects["a"]) == "Secret(...)"


@pytest.mark.parametrize("content", [b"", b"letmein\n", b"\xff\x00", bytes(MAX_SECRET)])
def test_a_secret_in_a_file(box: Box, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    assert add(box, "secret", file=str(path)) == {}
    assert box.machine.objects["a"] == Secret(content)


def test_a_secret_in_a_file_may_be_coded(box: Box, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"aGk=\n")
    assert add(box, "secret", file=str(path), format="base64") == {}
    assert box.machine.objects["a"] == Secret(b"hi")


@pytest.mark.parametrize("pieces", [[b"letmein"], [b"let", b"me", b"in"], []])
def test_a_secret_in_a_fifo_is_waited_for(
    box: Box, tmp_path: Path, pieces: list[bytes]
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def write() -> None:
        with open(fifo, "wb", buffering=0) as writer:
            writer.writelines(pieces)

    writer = threading.Thread(target=write)
    writer.start()
    assert add(box, "secret", file=str(fifo)) == {}
    writer.join()
    assert box.machine.objects["a"] == Secret(b"".join(pieces))


def test_in_band_commands_of_all_clients_wait_for_a_fifo(
    box: Box, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with qmpx.connect(box.address) as other:
        with pytest.raises(qmpx.DeadlineExceeded):
            box.client.execute(
                "object-add",
                {"qom-type": "secret", "id": "a", "file": str(fifo)},
                timeout=0.05,
            )
        with pytest.raises(qmpx.DeadlineExceeded):
            other.execute("query-status", timeout=0.05)
        assert other.exec_oob("query-yank")
        fifo.write_bytes(b"x")
        assert other.execute("query-status", timeout=10)["status"] == "prelaunch"


@pytest.mark.parametrize(
    ("options", "desc"),
    [
        ({}, "Either 'file' or 'data' must be provided"),
        ({"data": "", "file": ""}, "'file' and 'data' are mutually exclusive"),
        (
            {"data": "?", "format": "base64"},
            "Base64 data contains invalid characters",
        ),
        (
            {"data": "a b", "format": "base64"},
            "Base64 data contains invalid characters",
        ),
        (
            {"data": "x", "format": "hex"},
            "Parameter 'format' does not accept value 'hex'",
        ),
        ({"data": 1}, "Invalid parameter type for 'data', expected: string"),
        ({"data": "x", "size": 1}, "Parameter 'size' is unexpected"),
        (
            {"file": "/nowhere"},
            f"Unable to read /nowhere: Failed to open file “/nowhere”: {NO_FILE}",
        ),
        (
            {"file": "a\0b"},
            f"Unable to read a\0b: Failed to open file “a\0b”: {NO_FILE}",
        ),
        ({"file": "/"}, "Unable to read /: Error reading file “/”: Is a directory"),
        ({"data": "x", "id": "1"}, "Parameter 'id' expects an identifier"),
        ({"data": "x", "id": ""}, "Parameter 'id' expects an identifier"),
        ({"data": "x", "id": "a/b"}, "Parameter 'id' expects an identifier"),
    ],
)
def test_secrets_that_are_none(box: Box, options: dict[str, Any], desc: str) -> None:
    assert refused(box, "secret", **options) == desc


def test_a_coded_secret_in_a_file_has_no_zero_bytes(box: Box, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"aG\0k")
    desc = "Base64 data contains embedded NUL characters"
    assert refused(box, "secret", file=str(path), format="base64") == desc


@pytest.mark.parametrize("kind", ["file", "fifo"])
def test_a_secret_has_a_limit(box: Box, tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    content = bytes(MAX_SECRET + 1)
    if kind == "fifo":
        os.mkfifo(path)
        writer = threading.Thread(target=_write_all, args=(path, content))
        writer.start()
    else:
        path.write_bytes(content)
    desc = f"A secret may have at most {MAX_SECRET} bytes"
    assert refused(box, "secret", file=str(path)) == desc
    if kind == "fifo":
        writer.join()


def _write_all(path: Path, content: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # the reader had enough
        path.write_bytes(content)


def test_an_i_o_thread(box: Box) -> None:
    assert add(box, "iothread") == {}
    assert box.run("object-add", qom_type="iothread", id="b", poll_max_ns=5) == {}
    assert box.machine.objects["b"] == IOThread(5)
    threads = box.run("query-iothreads")
    assert [(each["id"], each["poll-max-ns"]) for each in threads] == [
        ("b", 5),
        ("a", 32768),
    ]  # in the order of QEMU's table
    desc = "poll-max-ns value must be in range [0, 9223372036854775807]"
    assert box.refusal("object-add", qom_type="iothread", id="c", poll_max_ns=-1) == (
        "GenericError",
        desc,
    )


def test_the_figures_of_an_i_o_thread_are_numbers(box: Box) -> None:
    assert add(box, "iothread") == {}
    figure = {"path": "/objects/a", "property": "poll-max-ns"}
    assert box.run("qom-set", value=5, **figure) == {}
    assert box.run("qom-get", **figure) == 5
    assert box.refusal("qom-set", value="5", **figure) == (
        "GenericError",
        "Invalid parameter type for 'poll-max-ns', expected: integer",
    )
    kinds = {
        item["name"]: item["type"] for item in box.run("qom-list", path="/objects/a")
    }
    assert kinds["poll-max-ns"] == "int"


def test_memory(box: Box) -> None:
    options = {"size": 2**40, "share": True, "prealloc": False}
    assert add(box, "memory-backend-ram", **options) == {}
    given = {"share": True, "prealloc": False}
    assert box.machine.objects["a"] == MemoryBackend(2**40, options=given)
    assert box.run("query-iothreads") == []


@pytest.mark.parametrize(
    ("options", "desc"),
    [
        ({}, "Parameter 'size' is missing"),
        ({"size": 0}, "property 'size' of memory-backend-ram doesn't take value '0'"),
        ({"size": 1.5}, "Parameter 'size' expects uint64"),
        ({"size": "1"}, "Parameter 'size' expects uint64"),
    ],
)
def test_memory_that_cannot_be(box: Box, options: dict[str, Any], desc: str) -> None:
    assert refused(box, "memory-backend-ram", **options) == desc


def test_other_kinds_are_not_known(box: Box) -> None:
    desc = "Parameter 'qom-type' does not accept value 'no-such-kind'"
    assert refused(box, "no-such-kind") == desc
    assert box.refusal("object-add", id="a")[1] == "Parameter 'qom-type' is missing"
    assert box.refusal("object-add", qom_type="iothread")[1] == (
        "Parameter 'id' is missing"
    )


def test_an_id_is_taken_once_and_free_again(box: Box) -> None:
    add(box, "iothread")
    desc = "attempt to add duplicate property 'a' to object (type 'container')"
    again = {"qom_type": "secret", "id": "a", "data": "x"}
    assert box.refusal("object-add", **again) == ("GenericError", desc)
    assert box.run("object-del", id="a") == {}
    assert box.refusal("object-del", id="a") == ("GenericError", "object 'a' not found")
    assert box.run("object-add", **again) == {}


def test_a_file_of_the_system_is_read_to_its_end(box: Box) -> None:
    assert add(box, "secret", file="/proc/version") == {}
    with open("/proc/version", "rb") as file:
        assert box.machine.objects["a"] == Secret(file.read())
