"""The guest agents of a stand-in: one at each port that has the agent's name.

An agent is there when the guest has run for some time, and comes anew with each start
of the machine, as a service of a guest does.
"""

from typing import Final

from qmpx.dialects.agent.behaviour import AgentBehaviour
from qmpx.dialects.agent.dialect import agent_commands
from qmpx.dialects.agent.port import AgentPort
from qmpx.machine import Machine
from qmpx.machine.guest_system import GuestSystem
from qmpx.machine.happenings import Happening, Reset, ShutDown
from qmpx.machine.running_timer import RunningTimer
from qmpx.machine.serial_ports import SerialPort

PORT_NAME: Final = "org.qemu.guest_agent.0"
"""What the port is called at which QEMU's guest agent listens."""


class GuestAgents:
    """The agents of a machine's guest.

    Args:
        machine: The machine.
        behaviour: What they do not do as they should; it may be changed at any time.

    Attributes:
        behaviour: The same.
        system: The guest.
    """

    def __init__(
        self, machine: Machine, behaviour: AgentBehaviour | None = None
    ) -> None:
        self.behaviour = behaviour or AgentBehaviour()
        self._machine = machine
        self._commands = agent_commands()
        self._agents: dict[SerialPort, AgentPort] = {}
        self._is_up = False
        self._timer = RunningTimer(machine, self._start)
        self.system = GuestSystem(machine, machine.name or "guest")
        machine.serial_ports.listener = self._port_moved
        machine.listen(self._note)
        self._wait()

    def restart(self) -> None:
        """Let the agents go, and come again as their behaviour says."""
        self._stop()
        self._wait()

    def close(self) -> None:
        """Let them go for good."""
        self._timer.cancel()
        self._machine.unlisten(self._note)
        self._machine.serial_ports.listener = None
        self._stop()

    def _wait(self) -> None:
        if (seconds := self.behaviour.starts_after) is not None:
            self._timer.set(seconds)

    def _note(self, happening: Happening) -> None:
        if isinstance(happening, Reset):
            self.system = GuestSystem(self._machine, self.system.host_name)
            self.restart()
        elif isinstance(happening, ShutDown):
            self._timer.cancel()
            self._stop()

    def _start(self) -> None:
        self._is_up = True
        for port in self._machine.serial_ports:
            self._begin(port)

    def _stop(self) -> None:
        self._is_up = False
        for port, agent in self._agents.items():
            agent.close()
            self._machine.serial_ports.close(port)
        self._agents.clear()

    def _port_moved(self, port: SerialPort, is_there: bool) -> None:  # noqa: FBT001 - as ports call it
        if is_there and self._is_up:
            self._begin(port)
        elif not is_there and (agent := self._agents.pop(port, None)) is not None:
            agent.close()

    def _begin(self, port: SerialPort) -> None:
        if port.name != PORT_NAME or port in self._agents:
            return
        ports = self._machine.serial_ports
        device = ports.device(port)
        agent = AgentPort(self.system, self._commands, device, self.behaviour)
        self._agents[port] = agent
        ports.open(port)
        agent.open()
