"""What a user imports to test their own code.

The fixtures of `qmpx.testing.plugin` are there by themselves where pytest runs; the
classes behind them can be used without it.
"""

from qmpx import _lazy

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from qmpx.testing.conversation import Conversation, Exchange
    from qmpx.testing.process import StandIn
    from qmpx.testing.recording import Recorder
    from qmpx.testing.replaying import Divergence, Replay
    from qmpx.testing.served import ServedMachine, TestClock, TestFaults

__all__ = [
    "Conversation",
    "Divergence",
    "Exchange",
    "Recorder",
    "Replay",
    "ServedMachine",
    "StandIn",
    "TestClock",
    "TestFaults",
]

__getattr__, __dir__ = _lazy.lazy_names(
    __name__,
    {
        "Conversation": "conversation",
        "Divergence": "replaying",
        "Exchange": "conversation",
        "Recorder": "recording",
        "Replay": "replaying",
        "ServedMachine": "served",
        "StandIn": "process",
        "TestClock": "served",
        "TestFaults": "served",
    },
)
