"""Objects that users create: secrets, I/O threads, memory."""

import re
from dataclasses import dataclass

from qmpx.errors import GenericError, InvalidParameterValue

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Secret:
    """Bytes that must not be shown."""

    data: bytes

    def __repr__(self) -> str:
        return "Secret(...)"


@dataclass(frozen=True, slots=True)
class IOThread:
    """A thread for block devices."""

    poll_max_ns: int = 32768


@dataclass(frozen=True, slots=True)
class MemoryBackend:
    """Memory for the guest.

    Attributes:
        size: In bytes.
    """

    size: int


UserObject = Secret | IOThread | MemoryBackend


class UserObjects(dict[str, UserObject]):
    """What users have created, by id."""

    def create(self, id_: str, made: UserObject) -> None:
        """Add an object.

        Raises:
            InvalidParameterValue: The id is none.
            GenericError: It is taken.
        """
        if not _IDENTIFIER.fullmatch(id_):
            raise InvalidParameterValue(name="id", expected="an identifier")
        if id_ in self:
            message = (
                f"attempt to add duplicate property '{id_}' to object "
                "(type 'container')"
            )
            raise GenericError(message)
        self[id_] = made

    def remove(self, id_: str) -> None:
        """Remove an object.

        Raises:
            GenericError: There is none of that id.
        """
        if self.pop(id_, None) is None:
            message = f"object '{id_}' not found"
            raise GenericError(message)
