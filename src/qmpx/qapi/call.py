"""Calls: commands with typed arguments, and what their return values are.

Generated bindings have a function for each command that makes one; both clients run
them::

    vm.run(qapi.block_resize(node_name="disk0", size=2**30))
    await vm.run(qapi.block_resize(node_name="disk0", size=2**30))
"""

from typing import Any, Generic, TypeVar

from msgspec import UNSET, Raw, Struct

from qmpx.qapi.tolerance import read_json_as

R = TypeVar("R")


class Call(Struct, Generic[R], frozen=True):
    """A command to be run, which returns an *R*.

    Attributes:
        name: The command.
        arguments: Its arguments, with their names on the wire: one object.
        returns: The type of what it returns; None if it returns nothing.
    """

    name: str
    arguments: Any
    returns: Any

    def read(self, returned: Raw | bytes) -> R:
        """Return what the command returned as the type that is declared.

        What a newer peer has added is kept: see `qmpx.qapi.typed`.

        Raises:
            RemoteProtocolError: It is of another kind than declared.
        """
        if self.returns is None:
            return None  # type: ignore[return-value]
        value: R = read_json_as(self.returns, returned, f"the reply to {self.name!r}")
        return value


def call(name: str, returns: Any, arguments: dict[str, Any]) -> Call[Any]:
    """Return the call of a command, without the arguments that are not set.

    Args:
        name: The command.
        returns: The type of what it returns; None if it returns nothing.
        arguments: Its arguments, with their names on the wire.
    """
    return Call(
        name,
        {key: value for key, value in arguments.items() if value is not UNSET},
        returns,
    )


def call_with(name: str, returns: Any, arguments: Struct) -> Call[Any]:
    """Return the call of a command whose arguments are one object, such as a union."""
    return Call(name, arguments, returns)
