"""Today's vocabulary: QEMU 7.2's names and texts over the embedded machine."""

from qmpx.dialects.modern.dialect import modern_monitor

__all__ = ["modern_monitor"]
