"""Records: however the stream is cut it is the same; all damage to it shows."""

from __future__ import annotations

import hashlib
import itertools
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.machine.migration.records import (
    MAGIC,
    MAX_PAYLOAD,
    VERSION,
    Kind,
    Record,
    RecordReader,
    RecordWriter,
)
from qmpx.machine.migration.values import StreamError

RECORDS = [
    Record(Kind.MACHINE, b"what it is"),
    Record(Kind.RAM, bytes(range(256))),
    Record(Kind.PART, b""),
]


def stream(records: list[Record] = RECORDS) -> bytes:
    """Return the records as a stream, with its end."""
    writer = RecordWriter()
    data = b"".join(writer.write(*record) for record in records)
    return data + writer.write(Kind.END, writer.digest())


def read(data: bytes, cuts: list[int] = []) -> list[Record]:  # noqa: B006 - not changed
    """Return the records of a stream that comes in pieces; it must end in an end."""
    reader = RecordReader()
    found = []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        reader.feed(data[start:end])
        for record in reader.records():
            found.append(record)
            if record.kind is Kind.END and record.payload != reader.digest_before():
                message = "another SHA-256"
                raise StreamError(message)
    if not reader.is_between_records or not found or found[-1].kind is not Kind.END:
        message = "cut short"
        raise StreamError(message)
    return found


def test_a_stream_is_its_preamble_and_its_records() -> None:
    data = RecordWriter().write(Kind.GO)
    assert data.startswith(MAGIC + bytes([0, VERSION]) + b"\x10\x00\x00\x00\x00")
    assert len(data) == len(MAGIC) + 2 + 5 + 4 + 4


def test_the_end_names_all_before_it() -> None:
    *before, end = RECORDS, stream()
    tail = 5 + 4 + 32 + 4
    assert end[-36:-4] == hashlib.sha256(end[:-tail]).digest()
    assert read(end)[:-1] == before[0]


@given(st.lists(st.integers(0, 10_000), max_size=6))
def test_however_the_stream_is_cut_the_records_are_the_same(cuts: list[int]) -> None:
    assert read(stream(), cuts)[:-1] == RECORDS


def test_a_stream_that_comes_byte_by_byte_is_the_same() -> None:
    data = stream()
    assert read(data, list(range(len(data))))[:-1] == RECORDS


def test_every_flipped_bit_is_found() -> None:
    data = stream()
    for at in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            with pytest.raises(StreamError):
                read(bytes(damaged))


@given(at=st.integers(0), byte=st.integers(1, 255), cuts=st.lists(st.integers(0, 999)))
def test_every_changed_byte_is_found_however_the_stream_is_cut(
    at: int, byte: int, cuts: list[int]
) -> None:
    damaged = bytearray(stream())
    damaged[at % len(damaged)] ^= byte
    with pytest.raises(StreamError):
        read(bytes(damaged), cuts)


def test_every_truncation_is_found() -> None:
    data = stream()
    for size in range(len(data)):
        with pytest.raises(StreamError):
            read(data[:size])


@given(st.data())
def test_a_record_that_is_left_out_or_comes_twice_is_found(data: st.DataObject) -> None:
    writer = RecordWriter()
    pieces = [writer.write(*record) for record in RECORDS]
    pieces.append(writer.write(Kind.END, writer.digest()))
    at = data.draw(st.integers(0, len(RECORDS) - 1))
    twice = data.draw(st.booleans())
    pieces[at : at + 1] = [pieces[at]] * 2 if twice else []
    with pytest.raises(StreamError):
        read(b"".join(pieces))


@given(st.binary(max_size=200))
def test_whatever_comes_only_a_stream_error_escapes(data: bytes) -> None:
    with pytest.raises(StreamError):
        read(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SSH-2.0-x", "this is no stream of a machine: it begins b'SSH-2.0-x'"),
        (MAGIC + b"\x00\x02", "the stream is not of version 1"),
        (
            MAGIC + b"\x00\x01" + bytes(9),
            "the stream is damaged before byte 20: its checksum is wrong",
        ),
    ],
)
def test_what_is_wrong_is_said(data: bytes, message: str) -> None:
    with pytest.raises(StreamError, match=f"^{re.escape(message)}$"):
        read(data)


def test_a_kind_that_there_is_not_is_refused() -> None:
    writer = RecordWriter()
    with pytest.raises(StreamError, match=r"^there is no record of kind 99$"):
        read(writer.write(99, b""))  # type: ignore[arg-type]


def test_a_payload_that_is_too_long_is_not_written() -> None:
    writer = RecordWriter()
    with pytest.raises(ValueError, match=r"^a payload of 2097153 bytes is more than"):
        writer.write(Kind.RAM, bytes(MAX_PAYLOAD + 1))


def test_a_length_that_is_too_long_is_not_believed() -> None:
    writer = RecordWriter()
    data = writer.write(Kind.RAM, bytes(8))
    reader = RecordReader()
    longer = bytearray(data[: len(MAGIC) + 2 + 5])
    longer[-4:] = (MAX_PAYLOAD + 1).to_bytes(4)
    reader.feed(bytes(longer) + zlib.crc32(longer).to_bytes(4))
    with pytest.raises(StreamError, match=r"^a record of 2097153 bytes is too long$"):
        list(reader.records())
