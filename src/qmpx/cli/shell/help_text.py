"""What ``help`` says in the shell."""

import textwrap
from typing import Final

from qmpx.cli.output import printable
from qmpx.cli.schema_text import details
from qmpx.cli.shell.knowledge import Knowledge
from qmpx.cli.shell.line import OWN
from qmpx.cli.shell.prose import explained
from qmpx.errors import LocalProtocolError
from qmpx.qapi.model import Schema

_LINES: Final = """\
COMMAND key=value ...   a command of QMP; by its schema a value is text, a
                        number, ... a.b=value is nested, a.0=value an element
COMMAND key:=JSON       the value is taken as it is
{"execute": ...}        a message in JSON, over several lines if need be
transaction( ... )      actions, a line each: all of them are done, or none
!last  !3  !text        the last line again, the third, the last that begins so

The shell's own words:
"""

_WIDTH: Final = 79
_USAGE: Final = 24  # where the explanations begin, as above


def general_help(schema: Schema | None) -> str:
    """Return what there is to know."""
    own = "\n".join(_entry(usage, about) for usage, about in OWN.values())
    count = 0 if schema is None else len(schema.commands)
    last = f"Tab completes; there are {count} commands: 'help NAME' tells about each."
    return f"{_LINES}{own}\n\n{last}"


def _entry(usage: str, about: str) -> str:
    """Return what one word does, as wide as what stands above it."""
    indent = " " * _USAGE
    lines = textwrap.wrap(about, _WIDTH - _USAGE)
    head = f"  {usage}".ljust(_USAGE)
    if not head.endswith("  "):
        return "\n".join([head, *(indent + line for line in lines)])
    return "\n".join([head + lines[0], *(indent + line for line in lines[1:])])


def help_on(name: str, known: Knowledge) -> str:
    """Return what there is to know of one thing.

    Args:
        name: A word of the shell's own, something in the schema, or a command of the
            human monitor.
        known: What is known of the peer.

    Raises:
        LocalProtocolError: There is no such thing.
    """
    if name in OWN:
        return f"{OWN[name][0]}\n  {OWN[name][1]}"
    schema = known.schema
    if schema is not None and (found := schema.find(name)) is not None:
        if known.typed_schema is None:
            return printable(f"{name}\n  this peer tells names only, and no arguments")
        if known.prose is not None:
            found = explained(found, known.prose)
        return printable("\n".join(details(schema, found)))
    for each in known.human_commands:
        if name in each.names:
            usage = f"hmp {'|'.join(each.names)} {each.takes}".rstrip()
            return printable(f"{usage}\n  {each.what}")
    message = f"there is no {name!r}"
    raise LocalProtocolError(message)
