"""GDB debugs the embedded machine."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from qmpx.machine import Machine, RunState
from tests.loops import run_on, settle

pytestmark = pytest.mark.peer("gdb")


@pytest.mark.slow
def test_gdb_reads_and_writes_and_lets_go() -> None:
    machine = Machine(processor_count=2, is_started=True)
    commands = [
        "set confirm off",
        "set architecture i8086",
        "target remote 127.0.0.1:{port}",
        "info registers eip",
        "x/5xb 0xfffffff0",
        "set $eax = 0x1234",
        "set {{char}}0x1000 = 0x41",
        "info threads",
        "detach",
    ]

    async def main() -> str:
        await machine.debugger.listen("tcp::0")
        words = [command.format(port=machine.debugger.port) for command in commands]
        arguments = [part for word in words for part in ("-ex", word)]
        process = await asyncio.create_subprocess_exec(
            *("gdb", "-nx", "-batch", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        machine.debugger.close()
        await settle()
        return said.decode()

    said = run_on("asyncio", main())
    assert "eip            0xfff0" in said
    assert "0xea\t0x5b\t0xe0\t0x00\t0xf0" in said
    assert "(CPU#1 [halted ])" in said
    assert machine.processors[0].registers.eax == 0x1234
    assert machine.memory.read(0x1000, 1) == b"A"
    assert machine.state is RunState.RUNNING
