"""Times, as the gateway writes them."""

import time


def stamp(seconds: float) -> str:
    """Return a time since 1970 by RFC 3339, in UTC, with microseconds."""
    whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{text}.{micro:06d}Z"
