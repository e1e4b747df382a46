"""An agent at its port, and those who must not wait for it."""

from __future__ import annotations

import asyncio

import pytest

from qmpx.dialects.agent.behaviour import AgentBehaviour
from qmpx.dialects.agent.dialect import agent_commands
from qmpx.dialects.agent.port import LOOKS, AgentPort
from qmpx.machine import Machine
from qmpx.machine.character.device import CharacterDevice
from qmpx.machine.guest_system import GuestSystem
from qmpx.wire.framing import MAX_BYTES
from tests.loops import settle

GARBAGE = 3 * LOOKS * MAX_BYTES  # bytes: what takes three turns


class Wire(CharacterDevice):
    """A device whose other end is the test's."""

    def __init__(self) -> None:
        super().__init__("ga", "wire")
        self.seen = b""

    def say(self, data: bytes) -> None:
        self._came(data)

    def write(self, data: bytes) -> int:
        self.seen += data
        return len(data)


def opened(wire: Wire) -> AgentPort:
    machine = Machine("box")
    machine.cont()
    system = GuestSystem(machine, "guest")
    port = AgentPort(system, agent_commands(), wire, AgentBehaviour())
    port.open()
    return port


@pytest.mark.slow
def test_garbage_at_the_port_leaves_others_their_turn() -> None:
    async def main() -> None:
        wire = Wire()
        opened(wire)
        wire.say(b"\xff" * GARBAGE)
        assert 0 < wire.seen.count(b"\n") <= LOOKS * MAX_BYTES
        while wire.seen.count(b"\n") < GARBAGE:
            await settle()
        wire.say(b'{"execute": "guest-ping"}')
        await settle()
        assert wire.seen.endswith(b'\n{"return": {}}\n')

    asyncio.run(main())


def test_without_a_loop_all_is_done_at_once() -> None:
    wire = Wire()
    opened(wire)
    wire.say(b'{"execute": "guest-ping"}\n' * 1000)
    assert wire.seen == b'{"return": {}}\n' * 1000


def test_a_port_that_was_closed_meanwhile_takes_its_turn_no_more() -> None:
    async def main() -> bytes:
        wire = Wire()
        port = opened(wire)
        wire.say(b"\xff" * GARBAGE)
        port.close()
        seen = wire.seen
        await settle()
        assert wire.seen == seen
        return seen

    assert asyncio.run(main())
