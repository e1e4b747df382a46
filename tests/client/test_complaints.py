"""What the human monitor printed: an answer, or that a line failed."""

from __future__ import annotations

import pytest

from qmpx.client.complaints import complaint


@pytest.mark.parametrize(
    ("line", "text", "reason"),
    [
        ("", "", ""),
        ("info status", "VM status: running\r\n", ""),
        ("savevm x", "Error: it is broken\r\n", "it is broken"),
        ("x", "unknown command: 'x'\r\n", "unknown command: 'x'"),
        ("eject d", "Device 'd' has no medium\r\n", "Device 'd' has no medium"),
        ("device_add e1000", "warning: that is old\r\n", ""),
        ("eject d", "warning: that is old\r\n", ""),
        (
            "chardev-add null,id=c,frob=1",
            "Invalid parameter 'frob'\r\nError: Parsing chardev args failed\r\n",
            "Invalid parameter 'frob'",
        ),
        (
            "gdbserver frob",
            "'frob' is no driver\nCould not open gdbserver on device 'frob'\n",
            "Could not open gdbserver on device 'frob'",
        ),
        (
            "x/2x 0",
            "0000000000000000: 0x0\n0000000000000004: Cannot access memory\n",
            "0000000000000004: Cannot access memory",
        ),
        ("x/2x 0", "0000000000000000: 0x00000000 0x00000000\n", ""),
        ("drive_add 0 if=none", "OK\n", ""),
        ("migrate tcp:h:1", "terminal does not allow synchronous migration\n", ""),
        ("ringbuf_read c 9", "Error: the guest says so\n", ""),
        ("ringbuf_read c 9", "unknown command: 'guest'\n", ""),
        ("ringbuf_read d 9", "Error: Device 'd' not found\n", "Device 'd' not found"),
        ("info usb", "Error: USB support not enabled\n", "USB support not enabled"),
        ("info x", "a: b\nError: it is a text\n", ""),
        (
            "log nosuch",
            "Log items (comma separated):\nnone  remove all logs\n",
            "there is no such item: 'help log' lists them",
        ),
        ("log help", "Log items (comma separated):\nnone  remove all logs\n", ""),
    ],
)
def test_a_failure_is_told_from_an_answer(line: str, text: str, reason: str) -> None:
    assert complaint(text, line) == reason
