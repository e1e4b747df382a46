"""RFB, byte by byte, without sockets."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmpx.machine.display.des import vnc_response
from qmpx.machine.display.rfb import (
    MAX_CUT_TEXT,
    MAX_ENCODINGS,
    Happened,
    Initialized,
    KeyChanged,
    PointerChanged,
    RfbError,
    RfbSession,
)
from qmpx.machine.display.screen import PALETTE, Screen

SERVER = b"RFB 003.008\n"
CHALLENGE = bytes(range(16))
OPEN = None
PASSWORD = b"secret"
RIGHT = vnc_response(PASSWORD, CHALLENGE)
WRONG = vnc_response(b"Secret", CHALLENGE)
INIT = (
    bytes.fromhex("02d0 0190 2018000100ff00ff00ff100800000000 0000000b")
    + b"QEMU (name)"
)
FAILED = b"\0\0\0\1"
REASON = b"\0\0\0\x15Authentication failed"


def session(password: bytes | None = OPEN, *, is_open: bool = True) -> RfbSession:
    """Return a session that asks for *password*, if it is not open to all."""
    return RfbSession(
        Screen(), "QEMU (name)", None if is_open else lambda: password, CHALLENGE
    )


def converse(rfb: RfbSession, *chunks: bytes) -> tuple[bytes, str]:
    """Return all that the server sends, and what it complains of at last."""
    sent = rfb.data_to_send()
    for chunk in chunks:
        try:
            rfb.receive(chunk)
        except RfbError as error:
            return sent + rfb.data_to_send(), str(error)
        sent += rfb.data_to_send()
    return sent, ""


# What the client sends, and what the server sends after its version.
HANDSHAKES = [
    # no authentication
    (True, [b"RFB 003.003\n", b"\1"], b"\0\0\0\1" + INIT),
    (True, [b"RFB 003.007\n", b"\1", b"\1"], b"\1\1" + INIT),
    (True, [b"RFB 003.008\n", b"\1", b"\1"], b"\1\1" + b"\0\0\0\0" + INIT),
    # versions that nobody has published: as 3.3
    (True, [b"RFB 003.004\n", b"\0"], b"\0\0\0\1" + INIT),
    (True, [b"RFB 003.005\n", b"\0"], b"\0\0\0\1" + INIT),
    (True, [b"RFB 003.006\n", b"\0"], b"\0\0\0\1" + INIT),
    (True, [b"RFB 003.889\n", b"\0"], b"\0\0\0\1" + INIT),
    # VNC authentication
    (
        False,
        [b"RFB 003.003\n", RIGHT, b"\1"],
        b"\0\0\0\2" + CHALLENGE + b"\0\0\0\0" + INIT,
    ),
    (
        False,
        [b"RFB 003.007\n", b"\2", RIGHT, b"\1"],
        b"\1\2" + CHALLENGE + b"\0\0\0\0" + INIT,
    ),
    (
        False,
        [b"RFB 003.008\n", b"\2", RIGHT, b"\1"],
        b"\1\2" + CHALLENGE + b"\0\0\0\0" + INIT,
    ),
]


@pytest.mark.parametrize(("is_open", "chunks", "answer"), HANDSHAKES, ids=range(10))
def test_a_client_comes_in(is_open: bool, chunks: list[bytes], answer: bytes) -> None:
    rfb = session(PASSWORD, is_open=is_open)
    assert converse(rfb, *chunks) == (SERVER + answer, "")
    assert rfb.is_initialized


@pytest.mark.parametrize(("is_open", "chunks", "answer"), HANDSHAKES, ids=range(10))
def test_however_the_bytes_are_cut_the_answer_is_the_same(
    is_open: bool, chunks: list[bytes], answer: bytes
) -> None:
    whole = b"".join(chunks)
    for size in range(1, len(whole) + 1):
        rfb = session(PASSWORD, is_open=is_open)
        cut = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert converse(rfb, *cut) == (SERVER + answer, "")


@pytest.mark.parametrize(
    ("is_open", "password", "chunks", "answer", "complaint"),
    [
        (
            False,
            PASSWORD,
            [b"RFB 003.003\n", WRONG],
            b"\0\0\0\2" + CHALLENGE + FAILED,
            "wrong password",
        ),
        (
            False,
            PASSWORD,
            [b"RFB 003.007\n", b"\2", WRONG],
            b"\1\2" + CHALLENGE + FAILED,
            "wrong password",
        ),
        (
            False,
            PASSWORD,
            [b"RFB 003.008\n", b"\2", WRONG],
            b"\1\2" + CHALLENGE + FAILED + REASON,
            "wrong password",
        ),
        (
            False,
            None,
            [b"RFB 003.008\n", b"\2", vnc_response(b"", CHALLENGE)],
            b"\1\2" + CHALLENGE + FAILED + REASON,
            "there is no password that would let anybody in",
        ),
        (
            False,
            PASSWORD,
            [b"RFB 003.008\n", b"\1"],
            b"\1\2" + FAILED + REASON,
            "security type 1 was not offered",
        ),
        (
            True,
            None,
            [b"RFB 003.007\n", b"\x13"],
            b"\1\1" + FAILED,
            "security type 19 was not offered",
        ),
        (
            True,
            None,
            [b"RFB 004.001\n"],
            b"\0\0\0\0" + b"\0\0\0\x0eno version 4.1",
            "no version 4.1",
        ),
        (
            True,
            None,
            [b"GET / HTTP/1.1\r\n\r\n"],
            b"",
            "a client that is no VNC client: it began with b'GET / HTTP/1'",
        ),
        (
            True,
            None,
            [b"RFB 003.00\xb2\n"],
            b"",
            "a client that is no VNC client: it began with b'RFB 003.00\\xb2\\n'",
        ),
    ],
)
def test_a_client_is_not_let_in(
    is_open: bool,
    password: bytes | None,
    chunks: list[bytes],
    answer: bytes,
    complaint: str,
) -> None:
    rfb = session(password, is_open=is_open)
    assert converse(rfb, *chunks) == (SERVER + answer, complaint)
    assert not rfb.is_initialized


def inside(*, shared: bool = True) -> tuple[RfbSession, list[Happened]]:
    """Return a session whose client is in, and what happened so far."""
    rfb = session()
    happened = rfb.receive(b"RFB 003.008\n\1" + bytes([shared]))
    rfb.data_to_send()
    return rfb, happened


@pytest.mark.parametrize("shared", [False, True])
def test_a_client_says_whether_it_shares(shared: bool) -> None:
    rfb, happened = inside(shared=shared)
    assert happened == [Initialized(is_shared=shared)]
    assert rfb.receive(b"") == []


MESSAGES: list[tuple[bytes, list[Happened]]] = [
    (struct.pack(">BBxxI", 4, 1, 0x61), [KeyChanged(0x61, down=True)]),
    (struct.pack(">BBxxI", 4, 0, 0xFFE1), [KeyChanged(0xFFE1, down=False)]),
    (struct.pack(">BBHH", 5, 5, 719, 399), [PointerChanged(719, 399, 5)]),
    (struct.pack(">BxxxI", 6, 5) + b"\4\0\0\0\0", []),
    (struct.pack(">BxxxI", 6, 0), []),
    (struct.pack(">BxH", 2, 0), []),
    (struct.pack(">BxH3i", 2, 3, 0, 16, -223), []),
    (
        b"\0\0\0\0"
        + bytes.fromhex("0808000100070007000300030600 0000".replace(" ", "")),
        [],
    ),
    (struct.pack(">BBHHHH", 3, 1, 0, 0, 720, 400), []),
]


def test_messages_mean_what_they_say_however_they_are_cut() -> None:
    whole = b"".join(message for message, _ in MESSAGES)
    expected = [each for _, happened in MESSAGES for each in happened]
    for size in (1, 2, 3, 7, len(whole)):
        rfb, _ = inside()
        happened: list[Happened] = []
        for at in range(0, len(whole), size):
            happened += rfb.receive(whole[at : at + size])
        assert happened == expected
        assert rfb.updates.is_awaited
        assert rfb.updates.pixel_format.bits == 8


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (b"\1", "a message of the unknown type 1"),
        (b"\xff", "a message of the unknown type 255"),
        (
            struct.pack(">BxH", 2, MAX_ENCODINGS + 1),
            f"a list of {MAX_ENCODINGS + 1} encodings",
        ),
        (
            struct.pack(">BxxxI", 6, MAX_CUT_TEXT + 1),
            f"{MAX_CUT_TEXT + 1} bytes of cut text",
        ),
        (b"\0" + bytes(19), "the client wants pixels of 0 bits"),
    ],
)
def test_what_breaks_the_protocol_ends_the_conversation(
    message: bytes, complaint: str
) -> None:
    rfb, _ = inside()
    with pytest.raises(RfbError) as caught:
        rfb.receive(message)
    assert str(caught.value) == complaint


def test_a_client_that_wants_a_map_of_colours_is_sent_one() -> None:
    rfb, _ = inside()
    rfb.receive(b"\0\0\0\0" + struct.pack(">BB14x", 8, 8))
    colours = b"".join(
        struct.pack(">3H", *[0x101 * shade for shade in colour]) for colour in PALETTE
    )
    assert rfb.data_to_send() == struct.pack(">BxHH", 1, 0, len(PALETTE)) + colours
    rfb.receive(struct.pack(">BBHHHH", 3, 0, 0, 0, 8, 1))
    assert rfb.updates.take() == struct.pack(">BxHHHHHi8x", 0, 1, 0, 0, 8, 1, 0)


def test_cut_text_is_dropped_as_it_comes() -> None:
    rfb, _ = inside()
    rfb.receive(struct.pack(">BxxxI", 6, MAX_CUT_TEXT))
    for _ in range(16):
        rfb.receive(bytes(MAX_CUT_TEXT // 16))
        assert not rfb._in  # noqa: SLF001
    assert rfb.receive(MESSAGES[0][0]) == MESSAGES[0][1]


def test_the_longest_list_of_encodings_is_read() -> None:
    rfb, _ = inside()
    encodings = [6, *[1000] * (MAX_ENCODINGS - 1)]
    message = struct.pack(f">BxH{MAX_ENCODINGS}i", 2, MAX_ENCODINGS, *encodings)
    assert rfb.receive(message) == []


@pytest.mark.slow
@settings(max_examples=100)
@given(
    st.booleans(),
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([b"RFB 003.003\n", b"RFB 003.008\n", b"\1", b"\2", RIGHT]),
            st.sampled_from([message for message, _ in MESSAGES]),
        ),
        max_size=12,
    ),
)
def test_whatever_comes_only_the_documented_error_leaves(
    is_open: bool, chunks: list[bytes]
) -> None:
    rfb = session(PASSWORD, is_open=is_open)
    for chunk in chunks:
        with contextlib.suppress(RfbError):
            rfb.receive(chunk)  # even after an error, when nobody would
        rfb.updates.take()
        assert len(rfb._in) <= 4 * MAX_ENCODINGS  # noqa: SLF001


@pytest.mark.slow
@settings(max_examples=100)
@given(st.lists(st.sampled_from([m for m, _ in MESSAGES]), max_size=8), st.data())
def test_messages_may_be_cut_anywhere(
    messages: list[bytes], data: st.DataObject
) -> None:
    whole, rest = b"".join(messages), b"".join(messages)
    together, _ = inside()
    expected = together.receive(whole)
    rfb, _ = inside()
    happened: list[Happened] = []
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        happened += rfb.receive(rest[:size])
        rest = rest[size:]
    assert happened == expected
    assert rfb.updates.take() == together.updates.take()
