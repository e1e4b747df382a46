"""The protocol's rules in QEMU 0.13: see `qmpx.wire.server.Rules`.

Source: QEMU 0.13.0, observed.
"""

from typing import Final

from qmpx.errors import CommandError, CommandNotFound
from qmpx.wire.json_2010 import JSON_2010
from qmpx.wire.server import QMP_CAPABILITIES, Rules

_QUERY: Final = "query-"


def _not_found(name: str) -> CommandError:
    # A query was looked up, and missed, under the name that ``info`` has for it.
    return CommandNotFound(name=name.removeprefix(_QUERY))


RULES_2010: Final = Rules(
    refuse_early=lambda name: CommandNotFound(name=name),
    refuse_again=lambda: CommandNotFound(name=QMP_CAPABILITIES),
    faults_carry_id=False,
    not_found=_not_found,
    lets_overtake=True,
    json=JSON_2010,
)
