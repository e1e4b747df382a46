"""Machine code as text: ``x/i``."""

from qmpx.dialects.v2010.dumps import Read
from qmpx.errors import GenericError
from qmpx.machine.processor import Processor
from qmpx.monitor.human import Format


def show_instructions(
    read: Read, fmt: Format, address: int, processor: Processor
) -> str:
    """Return instructions, one a line."""
    raise GenericError("no disassembler")
