"""A start that fails: what goes to standard error, and the exit status.

Source: QEMU 7.2, observed: what is wrong with an option is told after the option and
its value; the exit status is 1.
"""

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from qmpx.errors import CommandError


class StartFailure(Exception):
    """The program cannot start.

    Args:
        message: What is wrong. It may have further lines.
        option: The option that is at fault, such as ``-qmp``, if it is one.
        value: What stands after the option, if anything does.

    Attributes:
        text: The whole message, without the program's name.
        message: What is wrong, without the place.
        status: The exit status.
        gap: What stands between the program's name and the message.
        further: What QEMU says after it, each as a message of its own.
        program: Who says it, if that is not the program itself.
    """

    def __init__(
        self, message: str, option: str = "", value: str | None = None
    ) -> None:
        place = option if value is None else f"{option} {value}".lstrip()
        self.text = f"{place}: {message}" if place else message
        self.message = message
        self.status = 1
        self.gap = " "
        self.further: list[str] = []
        self.program = ""
        super().__init__(self.text)

    def moved(self, place: str) -> "StartFailure":
        """Say that it is in a file, at that place, without hints; return it."""
        self.text, self.gap = f"{place}: {self.message.splitlines()[0]}", ""
        return self


def with_hints(error: "CommandError") -> str:
    """Return what went wrong, with what is added for people."""
    hints = getattr(error.__cause__, "__notes__", ())
    return "\n".join((error.desc, *hints))
