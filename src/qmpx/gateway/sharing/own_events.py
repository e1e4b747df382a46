"""The events of the gateway's own, by name: no QEMU has such."""

from typing import Final

LEASE_CHANGED: Final = "X_QMPX_LEASE"
"""The event that tells those who subscribed that a lease begins or ends."""

JOURNAL_GAP: Final = "X_QMPX_JOURNAL_GAP"
"""The event that stands for those that could not be kept."""

EVENTS_LOST: Final = "X_QMPX_EVENTS_LOST"
"""What a client is told that read so late that its place is no longer kept."""
