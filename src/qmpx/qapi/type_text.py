"""What to call a type towards people."""

from typing import Final

from qmpx.qapi.model import AlternateType, ArrayType, EnumType, ObjectType, Schema

SHOWN_VALUES: Final = 4
"""How many values of a nameless enumeration are shown in a line before it is cut."""


def type_text(schema: Schema, name: str) -> str:
    """Return what to call a type; empty for the object without members.

    The numbers of introspection say nothing: such a type is told by what it holds.
    """
    found = schema.types[name]
    match found:
        case ArrayType(element=element):
            return f"[{type_text(schema, element)}]"
        case ObjectType(members=(), base=None, discriminator=None):
            return ""
        case _ if not name.isdigit():
            return name
        case EnumType(values=values):
            names = [value.name for value in values[:SHOWN_VALUES]]
            return "|".join(names + ["..."] * (len(values) > SHOWN_VALUES))
        case AlternateType(branches=branches):
            return "|".join(
                # It may be an array of this very type.
                "[...]"
                if isinstance(schema.types[branch.type], ArrayType)
                else type_text(schema, branch.type)
                for branch in branches
            )
        case _:
            return "{...}"
