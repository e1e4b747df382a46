"""The human monitor: lines of text over the handlers that QMP calls."""

from qmpx.monitor.human.parameters import Format, Parameter, parse_args_type
from qmpx.monitor.human.table import CommandTable, HumanCommand

__all__ = [
    "CommandTable",
    "Format",
    "HumanCommand",
    "Parameter",
    "parse_args_type",
]
