"""Many clients, one real monitor: each sees a monitor of its own."""

from qmpx.gateway.fairness import FairQueue
from qmpx.gateway.sharing import SharedMonitor
from qmpx.gateway.upstream import Upstream

__all__ = ["FairQueue", "SharedMonitor", "Upstream"]
