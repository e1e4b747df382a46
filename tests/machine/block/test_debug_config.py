"""The file of rules of ``blkdebug``; the texts are those of QEMU 7.2."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.machine.block.debug_config import parse_config, read_config

if TYPE_CHECKING:
    from pathlib import Path


def test_rules_are_read_by_their_groups() -> None:
    text = """
[inject-error]
event = "read_aio"
errno = "28"
once = "on"

[set-state]
event = "read_aio"
state = "1"
new_state = "2"
"""
    assert parse_config(text) == {
        "inject-error": [{"event": "read_aio", "errno": 28, "once": True}],
        "set-state": [{"event": "read_aio", "state": 1, "new_state": 2}],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\n", "no group defined"),
        ("[inject-error]\nhello\n", "parse error"),
        ("[foo]\n", "There is no option group 'foo'"),
        ('[inject-error]\nfoo = "1"\n', "Invalid parameter 'foo'"),
        ('[inject-error]\nerrno = "5"\n', "Missing event name for rule"),
        ('[set-state]\nevent = "no"\n', "invalid parameter value: no"),
    ],
)
def test_what_is_no_rule_is_refused(text: str, message: str) -> None:
    with pytest.raises(GenericError) as caught:
        parse_config(text)
    assert caught.value.desc == message


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GenericError) as caught:
        asyncio.run(read_config(str(tmp_path / "none")))
    reason = "No such file or directory"
    assert caught.value.desc == f"Could not read blkdebug config file: {reason}"


def test_a_pipe_is_waited_for_while_all_else_goes_on(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def read() -> str:
        reading = asyncio.create_task(read_config(str(fifo)))
        await asyncio.sleep(0)
        writer = os.open(fifo, os.O_WRONLY)  # the reader is there, or this would block
        os.write(writer, b"rules")
        await asyncio.sleep(0)
        assert not reading.done()
        os.close(writer)
        return await asyncio.wait_for(reading, 10)

    assert asyncio.run(read()) == "rules"
