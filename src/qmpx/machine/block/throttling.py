"""Limits of drives: how many bytes and requests a second, and in bursts.

The limits are kept, checked and shown. They hold back what goes through a drive, which
is what ``qemu-io`` does; jobs and exports do not: what holds these back are groups. See
`qmpx.machine.block.pacing`.

Source: QEMU 7.2.22, observed.
"""

from dataclasses import dataclass, field
from typing import Final

from qmpx.errors import GenericError

MAX_VALUE: Final = 1_000_000_000_000_000
"""The most that a limit may be: QEMU's figure."""

KINDS: Final = ("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr")
"""What is limited."""


@dataclass(slots=True)
class Limits:
    """The limits of a drive.

    Attributes:
        group: The name of the group that shares them.
        average: A second, by kind; 0 for none.
        most: In a burst, by kind; 0 for none.
        length: Seconds of a burst, by kind.
        iops_size: Bytes that count as one request; 0 if size does not matter.
    """

    group: str
    average: dict[str, int]
    most: dict[str, int] = field(default_factory=dict)
    length: dict[str, int] = field(default_factory=dict)
    iops_size: int = 0

    @property
    def is_on(self) -> bool:
        """Whether anything is limited."""
        return any(self.average.values())

    def check(self) -> None:
        """Make sure that the limits make sense together.

        Raises:
            GenericError: They do not.
        """
        self._check_totals()
        for kind in KINDS:
            average, most = self.average.get(kind, 0), self.most.get(kind, 0)
            length = self.length.get(kind, 1)
            if not 0 <= average <= MAX_VALUE or not 0 <= most <= MAX_VALUE:
                message = f"bps/iops/max values must be within [0, {MAX_VALUE}]"
                raise GenericError(message)
            if not length:
                message = "the burst length cannot be 0"
                raise GenericError(message)
            if length > 1 and not most:
                message = "burst length set without burst rate"
                raise GenericError(message)
            if most and length > MAX_VALUE // most:
                message = "burst length too high for this burst rate"
                raise GenericError(message)
            if most and not average:
                message = "bps_max/iops_max require corresponding bps/iops values"
                raise GenericError(message)
            if most and most < average:
                message = "bps_max/iops_max cannot be lower than bps/iops"
                raise GenericError(message)
        if self.iops_size and not any(
            self.average.get(kind, 0) for kind in KINDS if kind.startswith("iops")
        ):
            message = "iops size requires an iops value to be set"
            raise GenericError(message)

    def _check_totals(self) -> None:
        for values in (self.average, self.most):
            for total in ("bps", "iops"):
                parts = values.get(f"{total}_rd", 0) or values.get(f"{total}_wr", 0)
                if values.get(total, 0) and parts:
                    message = (
                        "bps/iops/max total values and read/write values cannot be "
                        "used at the same time"
                    )
                    raise GenericError(message)
