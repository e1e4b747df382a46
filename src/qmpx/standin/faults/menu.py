"""The fault menu: what can go wrong on the way between a monitor and its client.

Each kind comes from an incident that somebody had; the page of reference is made from
this table.
"""

from typing import Final

from qmpx.standin.faults.command_kinds import COMMAND_KINDS
from qmpx.standin.faults.connection_kinds import CONNECTION_KINDS
from qmpx.standin.faults.ending_kinds import ENDING_KINDS
from qmpx.standin.faults.event_kinds import EVENT_KINDS
from qmpx.standin.faults.reply_kinds import REPLY_KINDS

FAULTS: Final = {
    kind.name: kind
    for kind in (
        *CONNECTION_KINDS,
        *COMMAND_KINDS,
        *REPLY_KINDS,
        *EVENT_KINDS,
        *ENDING_KINDS,
    )
}
"""The menu, by name: in the order in which a client would meet them."""
