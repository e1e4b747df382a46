"""What there is to see of a machine, and to type and point at.

Everything hangs on `Display`, a machine's ``display``.
"""

from qmpx.machine.display.display import Display

__all__ = ["Display"]
