"""The human monitor: lines of text over the handlers that QMP calls."""

from qmpx.monitor.human.editor import Completions, LineEditor
from qmpx.monitor.human.expression import LineError
from qmpx.monitor.human.oneline import run_line
from qmpx.monitor.human.parameters import Format, Parameter, parse_args_type
from qmpx.monitor.human.session import HumanSession
from qmpx.monitor.human.table import CommandTable, HumanCommand

__all__ = [
    "CommandTable",
    "Completions",
    "Format",
    "HumanCommand",
    "HumanSession",
    "LineEditor",
    "LineError",
    "Parameter",
    "parse_args_type",
    "run_line",
]
