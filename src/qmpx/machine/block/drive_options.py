"""What ``-drive`` and ``drive_add`` of today's QEMU say of an image file of the host.

``file=disk.raw,format=raw,cache=none,aio=io_uring,discard=on`` is a node of the driver
``file``, one of ``raw`` over it, and how both are to be used; ``iops=100`` limits the
back end before them.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Mapping
from typing import Any, Final

from qmpx.machine.block.throttling import KINDS, Limits

CACHES: Final = {
    name: {"direct": direct, "no-flush": no_flush, "writeback": writeback}
    for name, direct, no_flush, writeback in (
        ("off", True, False, True),
        ("none", True, False, True),
        ("directsync", True, False, False),
        ("writeback", False, False, True),
        ("writethrough", False, False, False),
        ("unsafe", False, True, True),
    )
}
"""The modes of the cache, and what they mean for nodes."""

_AIO: Final = frozenset({"threads", "native", "io_uring"})
_DISCARD: Final = {"ignore": "ignore", "off": "ignore", "unmap": "unmap", "on": "unmap"}
_DETECT_ZEROES: Final = frozenset({"off", "on", "unmap"})
_PLACES: Final = frozenset(
    {
        *("if", "bus", "unit", "index", "media", "id", "file", "format", "driver"),
        *("rerror", "werror", "snapshot", "readonly", "copy-on-read"),
        *("cache", "aio", "stats-account-invalid", "stats-account-failed"),
    }
)
_OF_ALL: Final = frozenset(
    {
        *("node-name", "read-only", "auto-read-only", "discard", "detect-zeroes"),
        *("force-share",),
    }
)
_OF_FORMATS: Final = {
    "raw": frozenset({"offset", "size"}),
    "qcow2": frozenset(
        {
            *("lazy-refcounts", "pass-discard-request", "pass-discard-snapshot"),
            *("pass-discard-other", "discard-no-unref", "overlap-check", "cache-size"),
            *("l2-cache-size", "l2-cache-entry-size", "refcount-cache-size"),
            *("cache-clean-interval", "backing", "data-file"),
        }
    ),
}
_LIMITS: Final = {
    **{kind: kind for kind in KINDS},
    **{
        f"throttling.{what}-{word}": f"{what}{ours}"
        for what in ("bps", "iops")
        for word, ours in (("total", ""), ("read", "_rd"), ("write", "_wr"))
    },
}
_NESTED: Final = (
    "cache.",
    "file.",
    "backing.",
    "encrypt.",
    "data-file.",
    "throttling.",
)


def image_options(options: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the options of the nodes of an image file.

    Args:
        options: What ``-drive`` has, all of it.

    Returns:
        The options; ``None`` if there is no file, no format that is told, or one that
        cannot be written here.

    Raises:
        ValueError: They make no sense; the message tells why, for a person.
    """
    driver = options.get("format", options.get("driver", ""))
    if "file" not in options or driver not in _OF_FORMATS or "snapshot" in options:
        return None
    _check_words(options)
    known = _PLACES | _OF_ALL | _OF_FORMATS[driver] | _legacy_limits()
    for name in options:
        if name not in known and not name.startswith(_NESTED):
            message = f"Block format '{driver}' does not support the option '{name}'"
            raise ValueError(message)
    cache = _cache(options)
    file: dict[str, Any] = {"driver": "file", "filename": options["file"]}
    root: dict[str, Any] = {"driver": driver, "file": file}
    if cache:
        root["cache"], file["cache"] = cache, dict(cache)
    file["auto-read-only"] = options.get("auto-read-only", "on") == "on"
    if "aio" in options:
        file["aio"] = options["aio"]
    if "discard" in options:
        root["discard"] = _DISCARD[options["discard"]]
    for name in ("node-name", "detect-zeroes"):
        if name in options:
            root[name] = options[name]
    for name, text in options.items():
        if name in _OF_FORMATS[driver]:
            root[name] = _value(text)
        elif name.startswith("file."):
            file[name.removeprefix("file.")] = _value(text)
    return root


def _legacy_limits() -> frozenset[str]:
    return frozenset({*KINDS, *(f"{kind}_max" for kind in KINDS), "iops_size"})


def _check_words(options: Mapping[str, str]) -> None:
    if options.get("cache", "none") not in CACHES:
        message = "invalid cache option"
        raise ValueError(message)
    aio = options.get("aio", "threads")
    if aio not in _AIO:
        message = "invalid aio option"
        raise ValueError(message)
    if options.get("discard", "off") not in _DISCARD:
        message = "Invalid discard option"
        raise ValueError(message)
    zeroes = options.get("detect-zeroes", "off")
    if zeroes not in _DETECT_ZEROES:
        message = f"invalid parameter value: {zeroes}"
        raise ValueError(message)
    if aio == "native" and not _cache(options).get("direct"):
        message = (
            "aio=native was specified, but it requires cache.direct=on, which was "
            "not specified."
        )
        raise ValueError(message)


def _cache(options: Mapping[str, str]) -> dict[str, bool]:
    cache = dict(CACHES[options["cache"]]) if "cache" in options else {}
    for name in ("direct", "no-flush", "writeback"):
        if f"cache.{name}" in options:
            cache[name] = options[f"cache.{name}"] == "on"
    return cache


def _value(text: str) -> Any:
    if text in ("on", "off"):
        return text == "on"
    return int(text) if text.isdecimal() else text


def limits(options: Mapping[str, str], name: str) -> Limits | None:
    """Return the limits that a drive is to keep; ``None`` if there are none.

    Args:
        options: What ``-drive`` has.
        name: The drive's, which is its group's if it tells of none.

    Raises:
        ValueError: A limit is no number.
        GenericError: The limits contradict one another.
    """
    found = Limits(options.get("throttling.group", name), {})
    for option, kind in _LIMITS.items():
        modern = option.startswith("throttling.")
        most = f"{option}-max" if modern else f"{option}_max"
        if option in options:
            found.average[kind] = _number(option, options[option])
        if most in options:
            found.most[kind] = _number(most, options[most])
        if (length := f"{option}-max-length") in options:
            found.length[kind] = _number(length, options[length])
    for size in ("iops_size", "throttling.iops-size"):
        if size in options:
            found.iops_size = _number(size, options[size])
    if not (found.average or found.most or found.length or found.iops_size):
        return None
    found.check()
    return found if found.is_on else None


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        message = f"Parameter '{name}' expects a number"
        raise ValueError(message) from None
