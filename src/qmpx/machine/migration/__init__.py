"""Moving a machine: to another process or host, into a file, and back."""

from qmpx.machine.migration.migration import Migration
from qmpx.machine.migration.progress import Progress
from qmpx.machine.migration.values import StreamError

__all__ = ["Migration", "Progress", "StreamError"]
