"""What users have created in a machine, by id; what it is, is in `objects`."""

import re
from typing import TYPE_CHECKING

from qmpx.errors import GenericError, InvalidParameterValue

if TYPE_CHECKING:  # few machines have any
    from qmpx.machine.objects import UserObject

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class UserObjects(dict[str, "UserObject"]):
    """What users have created, by id."""

    def create(self, id_: str, made: "UserObject") -> None:
        """Add an object.

        Raises:
            InvalidParameterValue: The id is none.
            GenericError: It is taken.
        """
        self.check_id(id_)
        self.check_free(id_)
        self[id_] = made

    def check_free(self, id_: str) -> None:
        """Make sure that an id is not taken.

        Raises:
            GenericError: It is.
        """
        if id_ in self:
            message = (
                f"attempt to add duplicate property '{id_}' to object "
                "(type 'container')"
            )
            raise GenericError(message)

    @staticmethod
    def check_id(id_: str) -> None:
        """Check an id.

        Raises:
            InvalidParameterValue: It is none.
        """
        if not _IDENTIFIER.fullmatch(id_):
            raise InvalidParameterValue(name="id", expected="an identifier")

    def remove(self, id_: str) -> None:
        """Remove an object.

        Raises:
            GenericError: There is none of that id, or something uses it.
        """
        made = self.get(id_)
        if made is None:
            message = f"object '{id_}' not found"
            raise GenericError(message)
        if made.users:
            message = f"object '{id_}' is in use, can not be deleted"
            raise GenericError(message)
        del self[id_]
        made.close()

    def close(self) -> None:
        """End what runs for them."""
        for made in self.values():
            made.close()
