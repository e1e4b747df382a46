"""The display: pictures, keys, pointing devices, and VNC.

Source: QEMU 7.2.22, observed.
"""

import re
from typing import Annotated, Any, Final, Literal

from msgspec import Struct

from qmpx.errors import DeviceNotActive, DeviceNotFound, GenericError, SetPasswdFailed
from qmpx.machine import Machine
from qmpx.machine.display.key_names import KEYS, LATER_KEYS, UNCODED_KEYS
from qmpx.monitor import CommandRegistry
from qmpx.qapi import WireName

commands = CommandRegistry()

KeyName = Literal[
    *sorted({*KEYS, *LATER_KEYS, *UNCODED_KEYS} - {"<", "altgr", "altgr_r"})
]  # type: ignore[valid-type]  # noqa: E501
"""The keys that QMP knows: ``QKeyCode``."""

_SECOND: Final = 1_000_000  # microseconds
_BUTTONS: Final = {"left": 1, "middle": 4, "right": 2}
