"""What was found in a source: commands, with what stands there of their arguments."""

from typing import Final, Literal

from msgspec import Struct


class Place(Struct, frozen=True):
    """Where something stands.

    Attributes:
        line: The line, from 1.
        column: The column, from 1, in characters.
    """

    line: int
    column: int


class Known(Struct, frozen=True):
    """A value, as far as it can be known without running the program.

    Attributes:
        place: Where it stands.
        value: A string, a list, or the members of an object, by name, with the places
            of their names; None if it is anything else, or made at run time.
        is_python: Whether names of members are spelled as in Python.
        branch: For an object that is made by the class of a union's branch: the branch,
            as it is in the name of the class.
    """

    place: Place
    value: "str | list[Known] | dict[str, Part] | None" = None
    is_python: bool = False
    branch: str = ""


class Part(Struct, frozen=True):
    """A member of an object.

    Attributes:
        place: Where its name stands.
        known: Its value.
        may_be_other: Whether it may be meant for the one that sends the command, and no
            argument at all.
    """

    place: Place
    known: Known
    may_be_other: bool = False


class Use(Struct, frozen=True):
    """Something that a program uses.

    Attributes:
        place: Where.
        kind: ``command``; ``event``, whose name may be a pattern; or ``value``, of an
            enumeration in generated bindings.
        name: Of the command or event; of the enumeration.
        arguments: Of a command; for a value it is that.
        is_python: Whether the name is spelled as in Python.
    """

    place: Place
    kind: Literal["command", "event", "value"]
    name: str
    arguments: Known
    is_python: bool = False


NOTHING: Final = Known(Place(0, 0))
"""No arguments, or none that are known."""
