"""GDB's remote protocol: what a debugger sends and hears."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from qmpx.machine import Machine, RunState
from qmpx.machine.debugger import (
    LOCAL,
    MAX_PACKET,
    read_registers,
    write_registers,
)
from qmpx.machine.memory import Memory
from qmpx.machine.processor import Processor
from qmpx.machine.registers import CR0_PE, CR0_PG, Registers
from tests.loops import run_on, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Talk:
    """A debugger's end."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> str:
        await self.reader.readuntil(b"$")
        body = (await self.reader.readuntil(b"#"))[:-1]
        check = await self.reader.readexactly(2)
        assert int(check, 16) == sum(body) % 256
        return body.decode()

    async def ask(self, body: str) -> str:
        self.send(f"${body}#{sum(body.encode()) % 256:02x}".encode())
        return await self.answer()


@asynccontextmanager
async def debugging(machine: Machine) -> AsyncIterator[Talk]:
    await machine.debugger.listen("tcp::0")
    reader, writer = await asyncio.open_connection(LOCAL, machine.debugger.port)
    try:
        yield Talk(reader, writer)
    finally:
        await close(writer)
        machine.debugger.close()
        await settle()


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def told(machine: Machine, *packets: str) -> list[str]:
    """Return the answers to some packets."""

    async def main() -> list[str]:
        async with debugging(machine) as talk:
            return [await talk.ask(packet) for packet in packets]

    return run_on("asyncio", main())


@pytest.fixture
def machine() -> Machine:
    return Machine(processor_count=2, is_started=True)


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        ("?", "T05thread:01;"),
        ("qSupported:swbreak+", f"PacketSize={MAX_PACKET:x}"),
        ("qC", "QC1"),
        ("qfThreadInfo", "m1,2"),
        ("qsThreadInfo", "l"),
        ("qAttached", "1"),
        ("qThreadExtraInfo,2", b"CPU#1 [halted ]".hex()),
        ("qThreadExtraInfo,3", "E14"),
        ("qOther", ""),
        ("T2", "OK"),
        ("T3", "E22"),
        ("Hg0", "OK"),
        ("Hc-1", "OK"),
        ("Hg3", "E22"),
        ("s", "T05thread:01;"),
        ("Z0,1000,1", "OK"),
        ("z2,1000,1", "OK"),
        ("Z9,1000,1", ""),
        ("vCont?", ""),
        ("mfffffff0,5", "ea5be000f0"),
        ("m0", "E14"),
        ("mx,y", "E14"),
        (f"m0,{MAX_PACKET:x}", "E14"),
        ("M1000,2:abcd", "OK"),
        ("M1000,3:abcd", "E14"),
        ("M1000,1:x", "E14"),
        ("G00", "E14"),
    ],
)
def test_a_packet_is_answered(machine: Machine, packet: str, answer: str) -> None:
    assert told(machine, packet) == [answer]


def test_memory_is_written_and_read(machine: Machine) -> None:
    assert told(machine, "Mffe,4:01020304", "mffd,6") == ["OK", "000102030400"]
    assert machine.memory.read(0xFFE, 4) == b"\x01\x02\x03\x04"


def test_memory_that_is_not_mapped_is_an_error(machine: Machine) -> None:
    machine.processors[0].registers.cr0 |= CR0_PE | CR0_PG
    assert told(machine, "m0,4", "M0,1:00") == ["E14", "E14"]


def test_half_a_packet_of_memory_is_read_at_once(machine: Machine) -> None:
    most = MAX_PACKET // 2
    answers = told(machine, f"m0,{most:x}", f"m0,{most + 1:x}")
    assert answers == ["00" * most, "E14"]


def test_only_one_packet_chooses_a_processor(machine: Machine) -> None:
    answers = told(machine, "T2", "qC", "Hg2", "qC", "Hg0", "qC", "Hc-1", "qC")
    assert answers[1::2] == ["QC1", "QC2", "QC2", "QC2"]


def test_a_stop_is_told_only_to_a_debugger_that_waits(machine: Machine) -> None:
    async def main() -> bytes:
        async with debugging(machine) as talk:
            await talk.ask("?")
            machine.cont()
            machine.stop()
            await settle()
            talk.send(b"$qC#b4$qC#b4")
            return await talk.reader.readexactly(2 * 8)

    assert run_on("asyncio", main()) == b"+$QC1#c5" * 2


def test_registers_go_to_and_fro(machine: Machine) -> None:
    registers = machine.processors[1].registers
    registers.eax = 0x11223344
    before = read_registers(registers).hex()
    after = "88776655" + before[8:]
    answers = told(machine, "Hg2", "g", f"G{after}", "g")
    assert answers == ["OK", before, "OK", after]
    assert registers.eax == 0x55667788
    assert machine.processors[0].registers.eax == 0


def test_a_debugger_stops_the_machine_and_lets_it_run(machine: Machine) -> None:
    async def main() -> list[str]:
        states = [machine.state.value]
        async with debugging(machine) as talk:
            await talk.ask("?")
            states.append(machine.state.value)
            talk.send(b"$c#63")
            await talk.reader.readexactly(1)
            await settle()
            states.append(machine.state.value)
            talk.send(b"\x03")
            states.append(await talk.answer())
            states.append(machine.state.value)
            talk.send(b"$c#63")
            await settle(20)
            machine.stop()
            states.append(await talk.answer())
            states.append(await talk.ask("D"))
            states.append(machine.state.value)
        return states

    assert run_on("asyncio", main()) == [
        *("running", "paused", "running"),
        *("T02thread:01;", "paused", "T05thread:01;", "OK", "running"),
    ]


def test_a_machine_that_cannot_run_says_so(machine: Machine) -> None:
    machine.stop()
    machine.transfer(RunState.SAVE_VM)
    assert told(machine, "c", "D") == ["E14", "E14"]


def test_bytes_come_as_they_like_and_a_bad_sum_is_refused(machine: Machine) -> None:
    async def main() -> bytes:
        async with debugging(machine) as talk:
            for byte in b"+x$?#3f":
                talk.send(bytes([byte]))
                await settle()
            good = await talk.reader.readexactly(1 + 17)
            talk.send(b"$?#00$qC#b4")
            return good + await talk.reader.readexactly(2 + 7)

    assert run_on("asyncio", main()) == b"+$T05thread:01;#07-+$QC1#c5"


def test_a_packet_without_an_end_ends_the_conversation(machine: Machine) -> None:
    async def main() -> bytes:
        async with debugging(machine) as talk:
            talk.send(b"$" + b"0" * MAX_PACKET)
            return await talk.reader.read()

    assert run_on("asyncio", main()) == b""


@pytest.mark.parametrize("packet", [b"$k#6b"])
def test_a_debugger_that_kills_only_leaves(machine: Machine, packet: bytes) -> None:
    async def main() -> None:
        async with debugging(machine) as talk:
            talk.send(packet)
            assert await talk.reader.readexactly(1) == b"+"
            assert await talk.reader.read() == b""
            assert machine.debugger.port is not None

    run_on("asyncio", main())
    assert machine.state is RunState.PAUSED


def test_a_debugger_that_comes_later_takes_over(machine: Machine) -> None:
    async def main() -> None:
        async with debugging(machine) as first:
            await first.ask("?")
            again = await asyncio.open_connection(LOCAL, machine.debugger.port)
            second = Talk(*again)
            assert await second.ask("qC") == "QC1"
            assert await first.reader.read() == b""
            machine.debugger.close()
            assert await second.reader.read() == b""
            await close(again[1])

    run_on("asyncio", main())


def test_a_machine_that_is_off_lets_nobody_in(machine: Machine) -> None:
    async def main() -> None:
        await machine.debugger.listen("tcp:127.0.0.1:0,nowait")
        ports = [machine.debugger.port]
        machine.shut_down(reason="why")
        ports.append(machine.debugger.port)
        assert [port is None for port in ports] == [False, True]
        await settle()

    run_on("asyncio", main())


@pytest.mark.parametrize(
    "device", ["", "foo", "stdio", "tcp:", "tcp::x", "tcp::65536", "udp::1", "tcp::-1"]
)
def test_what_is_no_tcp_address_is_refused(machine: Machine, device: str) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="is not tcp:HOST:PORT"):
            await machine.debugger.listen(device)

    run_on("asyncio", main())


def test_registers_stand_where_a_debugger_expects_them() -> None:
    registers = Registers()
    registers.st[0], registers.xmm[7] = (1 << 79) | 1, 1 << 127
    registers.ftw, registers.mxcsr = 0b11, 0x1F81
    data = read_registers(registers)
    assert len(data) == 308
    assert data[8:12] == (0x633).to_bytes(4, "little")
    assert data[32:44].hex() == "f0ff00000200000000f00000"
    assert data[64:74].hex() == "01000000000000000080"
    assert data[144:156].hex() == "7f03000000000000f0ff0000"
    assert data[-20:].hex() == "00" * 15 + "80" + "811f0000"
    other = Registers()
    write_registers(other, data)
    assert read_registers(other) == data
    assert other == registers


def test_a_selector_that_is_written_moves_its_segment() -> None:
    processor = Processor(0, Memory(1 << 20))
    data = bytearray(read_registers(processor.registers))
    data[44:48] = (0x1234).to_bytes(4, "little")
    write_registers(processor.registers, bytes(data))
    assert (processor.registers.ss.selector, processor.registers.ss.base) == (
        0x1234,
        0x12340,
    )
    assert processor.registers.cs.base == 0xFFFF0000
