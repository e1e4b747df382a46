"""So many a second: a bucket of tokens, and telling of what happens too often."""


class TokenBucket:
    """So many a second in the long run, and some ahead of that.

    Args:
        rate: Tokens a second.
        burst: Tokens that are there at most, and at first.
        now: The time, on any clock that goes on, in seconds.
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> float:
        """Take a token, and return the seconds until it is there.

        A token that is not there yet is taken all the same: whoever comes next waits
        for the one behind it.
        """
        self._fill(now)
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._rate)

    def try_take(self, now: float) -> bool:
        """Take a token if it is there."""
        self._fill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _fill(self, now: float) -> None:
        gained = (now - self._at) * self._rate
        if gained > 0:
            self._tokens = min(self._burst, self._tokens + gained)
        self._at = now


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
