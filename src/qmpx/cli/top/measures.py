"""What a machine has done up to a moment, and how fast it does it between two."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct


class Sample(Struct, frozen=True):
    """What was counted up to a moment.

    Attributes:
        moment: The moment, in seconds of a clock that only goes forward.
        name: The machine's name.
        status: Its state, such as ``running``; ``?`` if it does not tell.
        cpu: Seconds that its processors have spent on this host; ``None`` if that
            cannot be seen: QEMU is elsewhere, or has no threads for them.
        cpus: How many processors it has.
        read: Bytes read from its disks.
        written: Bytes written to them.
        received: Bytes that came into the guest by interfaces of this host; ``None`` if
            it has none that can be seen.
        sent: Bytes that it has sent by them.
        jobs: Its background jobs: what each is, and how far, from 0 to 1.
    """

    moment: float
    name: str = ""
    status: str = "?"
    cpu: float | None = None
    cpus: int = 0
    read: int = 0
    written: int = 0
    received: int | None = None
    sent: int | None = None
    jobs: list[tuple[str, float]] = []


class Rates(Struct, frozen=True):
    """How fast it goes.

    Attributes:
        cpu: Processors that are busy: 2.0 are two at full load; ``None`` if unknown.
        read: Bytes a second.
        written: Bytes a second.
        received: Bytes a second; ``None`` if unknown.
        sent: Bytes a second; ``None`` if unknown.
    """

    cpu: float | None = None
    read: float = 0.0
    written: float = 0.0
    received: float | None = None
    sent: float | None = None


def rates(before: Sample, now: Sample) -> Rates:
    """Return how fast it went between two moments.

    What counts backwards has begun anew meanwhile, and counts from 0.
    """
    seconds = now.moment - before.moment
    if seconds <= 0:
        return Rates()

    def rate(old: float | None, new: float | None) -> float | None:
        if old is None or new is None:
            return None
        return (new - old if new >= old else new) / seconds

    return Rates(
        rate(before.cpu, now.cpu),
        rate(before.read, now.read) or 0.0,
        rate(before.written, now.written) or 0.0,
        rate(before.received, now.received),
        rate(before.sent, now.sent),
    )


def disk_bytes(told: Any) -> tuple[int, int]:
    """Return what ``query-blockstats`` says was read and written, in bytes."""
    read = written = 0
    for each in told if isinstance(told, list) else ():
        stats = each.get("stats") if isinstance(each, dict) else None
        if isinstance(stats, dict):
            read += _count(stats.get("rd_bytes"))
            written += _count(stats.get("wr_bytes"))
    return read, written


def jobs_in(told: Any) -> list[tuple[str, float]]:
    """Return the jobs that ``query-jobs`` tells of, and how far each is."""
    jobs = []
    for each in told if isinstance(told, list) else ():
        if isinstance(each, dict):
            total = _count(each.get("total-progress"))
            done = _count(each.get("current-progress"))
            name = f"{each.get('type', '?')} {each.get('id', '?')}"
            jobs.append((name, min(done / total, 1.0) if total else 0.0))
    return jobs


def threads_in(told: Any) -> list[int]:
    """Return the threads of the processors that ``query-cpus-fast`` tells of."""
    return [
        _count(each.get("thread-id"))
        for each in (told if isinstance(told, list) else ())
        if isinstance(each, dict)
    ]


def interfaces_in(text: str) -> list[str]:
    """Return the host's interfaces that ``info network`` names."""
    names = []
    for line in text.splitlines():
        for part in line.split(","):
            key, _, value = part.partition("=")
            if key == "ifname" and value and "/" not in value:
                names.append(value)
    return names


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


_UNITS: Sequence[str] = ("", "k", "M", "G", "T")


def human(amount: float | None) -> str:
    """Return an amount for people: 1.2M; a dash if it is not known."""
    if amount is None:
        return "-"
    for unit in _UNITS:
        if amount < 1000 or unit == _UNITS[-1]:
            break
        amount /= 1000
    return f"{amount:.0f}{unit}" if amount >= 100 or not unit else f"{amount:.1f}{unit}"
