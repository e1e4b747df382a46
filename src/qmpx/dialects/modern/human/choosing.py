"""The processor that people's commands look at.

Source: QEMU 7.2.22, observed.
"""

from qmpx.machine.processor import Processor
from qmpx.monitor.registry import SessionLike

NO_PROCESSOR = "No CPU available\n"
"""What is said where there is none."""


def chosen(session: SessionLike) -> Processor | None:
    """Return the processor that the commands of a listener refer to.

    Without a choice, or if the chosen one is gone, it is the first; ``None`` if the
    machine has none at all.
    """
    there = session.monitor.target.qom.processors.numbered()
    index = session.frontend.processor
    return there.get(index) or next(iter(there.values()), None)
