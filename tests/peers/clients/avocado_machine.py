"""What avocado-vt's monitors want to know of a virtual machine."""

import logging
from typing import Any

logging.disable(logging.CRITICAL)  # it tells of every command


class Machine:
    """A machine with nothing in it but a name."""

    name = "testvm"

    def __init__(self, *, has_blockdev: bool) -> None:
        self._has_blockdev = has_blockdev

    def check_capability(self, _flag: Any) -> bool:
        """Tell whether it has what a flag stands for: ``-blockdev``."""
        return self._has_blockdev

    def get_pid(self) -> int:
        """Return a number of a process, for names of files."""
        return 1
