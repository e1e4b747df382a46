"""From 0.13's one table of commands to the commands of QMP.

Source: QEMU 0.13.0, sections 1.6 and 5.1 of the notes.
"""

import inspect
from typing import Any, get_type_hints

from qmpx.dialects.v2010.arguments import ArgumentsSignature
from qmpx.monitor.human import CommandTable, HumanCommand
from qmpx.monitor.registry import CommandRegistry, Entry


def registry_of(table: CommandTable) -> CommandRegistry:
    """Return what QMP has of *table*.

    Every spelling of a command works, as it did in 0.13; ``query-commands`` tells of
    the last only.
    """
    registry = CommandRegistry()
    for line in table.for_qmp():
        names = line.names if line.qmp_name == line.names[-1] else [line.qmp_name]
        for name in names:
            registry.add(
                Entry(
                    str(name),
                    line.handler,
                    signature=ArgumentsSignature(line, _positional(line)),
                    is_asynchronous=line.is_asynchronous,
                    is_listed=name == line.qmp_name,
                )
            )
    return registry


def _positional(line: HumanCommand) -> list[Any]:
    hints = get_type_hints(line.handler)
    return [
        hints.get(parameter.name, Any)
        for parameter in inspect.signature(line.handler).parameters.values()
        if parameter.kind is not parameter.KEYWORD_ONLY
    ]
