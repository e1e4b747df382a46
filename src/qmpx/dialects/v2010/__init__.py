"""The vocabulary of QEMU 0.13, the monitor of August 2010."""

from qmpx.dialects.v2010.dialect import v2010_monitor

__all__ = ["v2010_monitor"]
