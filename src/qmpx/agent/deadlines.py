"""How long an agent may take for a command.

Proxmox VE has come to the figures for file systems in practice.
"""

from collections.abc import Mapping
from typing import Final

TIMEOUT: Final = 30.0
"""Seconds for a reply; a guest that swaps is slow."""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for the connection to be made."""

TRY_TIMEOUT: Final = 2.0
"""Seconds for one try to find the agent awake; some answer a new connection only."""

SILENT_TIMEOUT: Final = 3.0
"""Seconds in which a command that does not answer may complain."""

FREEZE_TIMEOUT: Final = 3600.0
"""Seconds to freeze: everything that is unwritten is written first."""

THAW_TIMEOUT: Final = 180.0
"""Seconds to thaw, all tries together."""

TRIM_TIMEOUT: Final = 3600.0
"""Seconds to tell a disk what is free."""

DEADLINES: Final[Mapping[str, float]] = {
    "guest-fsfreeze-freeze": FREEZE_TIMEOUT,
    "guest-fsfreeze-freeze-list": FREEZE_TIMEOUT,
    "guest-fsfreeze-thaw": THAW_TIMEOUT,
    "guest-fstrim": TRIM_TIMEOUT,
    "guest-shutdown": SILENT_TIMEOUT,
    "guest-suspend-disk": SILENT_TIMEOUT,
    "guest-suspend-hybrid": SILENT_TIMEOUT,
    "guest-suspend-ram": SILENT_TIMEOUT,
}
"""Seconds for the commands that may take longer than most, or will not answer."""
