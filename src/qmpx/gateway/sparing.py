"""Telling of what happens too often: of some a second, and how many more."""

from qmpx.gateway.limits import TokenBucket


class Sparing:
    """Says which of many to tell of, and counts the others.

    Args:
        rate: How many a second.
    """

    __slots__ = ("_bucket", "_omitted", "_rate")

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._bucket: TokenBucket | None = None
        self._omitted = 0

    def take(self, now: float) -> bool:
        """Whether to tell of one that happens now; if not, it is counted.

        Args:
            now: The time, in seconds, on any clock that goes on.
        """
        if self._bucket is None:
            self._bucket = TokenBucket(self._rate, self._rate, now)
        if self._bucket.try_take(now):
            return True
        self._omitted += 1
        return False

    def omitted(self) -> int:
        """Return how many were counted since this was last asked."""
        omitted, self._omitted = self._omitted, 0
        return omitted
