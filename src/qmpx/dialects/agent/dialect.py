"""The commands of QEMU's guest agent, joined."""

from qmpx.dialects.agent import files, hardware, programs, state
from qmpx.monitor.registry import CommandRegistry


def agent_commands() -> CommandRegistry:
    """Return the commands of the agent of QEMU 7.2, for a `GuestSystem`."""
    return CommandRegistry(
        state.commands, files.commands, programs.commands, hardware.commands
    )
