"""Character devices and descriptors.

Source: QEMU 7.2.22, observed.
"""

from typing import Final

from qmpx.dialects.modern.human.character_lines import (
    KINDS,
    BadOptions,
    backend_of,
    read_options,
)
from qmpx.dialects.modern.human.declaring import HumanTable, ask, ask_exactly
from qmpx.errors import GenericError
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

_UNREAD: Final = "\nError: Parsing chardev args failed\n"


@commands.does("chardev-add")
async def chardev_add(session: SessionLike, *, args: str) -> str | None:
    """Open a character device."""
    try:
        options = read_options(args)
    except BadOptions as error:
        return f"{error}{_UNREAD}"
    if options.get("backend") in ("help", "?"):
        listed = "".join(f"\n  {kind}" for kind in KINDS)
        return f"Available chardev backend types: {listed}\n"
    if "id" not in options:
        raise GenericError("chardev: no id specified")
    label, backend = options["id"], backend_of(options)
    try:
        made = await ask(session, "chardev-add", id=label, backend=backend)
    except GenericError as error:
        why = error.desc.removeprefix(f"Failed to add chardev '{label}': ")
        if why == f"Chardev with id '{label}' already exists":
            why = (
                f"attempt to add duplicate property '{label}' to object "
                "(type 'container')"
            )
        raise GenericError(why) from None
    if "pty" in made:
        return f"char device redirected to {made['pty']} (label {label})\n"
    return None


@commands.does("chardev-change")
async def chardev_change(session: SessionLike, *, id: str, args: str) -> str | None:  # noqa: A002
    """Let a character device be another."""
    try:
        options = read_options(args)
    except BadOptions as error:
        return f"{error}{_UNREAD}"
    if "id" in options:
        raise GenericError("Unexpected 'id' parameter")
    backend = backend_of(options)
    await ask_exactly(session, "chardev-change", {"id": id, "backend": backend})
    return None


@commands.does("chardev-remove")
async def chardev_remove(session: SessionLike, *, id: str) -> None:  # noqa: A002
    """Close a character device."""
    await ask(session, "chardev-remove", id=id)


@commands.does("chardev-send-break")
async def chardev_send_break(session: SessionLike, *, id: str) -> None:  # noqa: A002
    """Send a break on a character device."""
    await ask(session, "chardev-send-break", id=id)


@commands.shows("chardev")
async def info_chardev(session: SessionLike) -> str:
    """Return the character devices."""
    found = await ask(session, "query-chardev")
    return "".join(f"{x['label']}: filename={x['filename']}\n" for x in found)


@commands.does("ringbuf_write")
async def ringbuf_write(session: SessionLike, *, device: str, data: str) -> None:
    """Write to a ring buffer."""
    await ask(session, "ringbuf-write", device=device, data=data)


@commands.does("ringbuf_read")
async def ringbuf_read(session: SessionLike, *, device: str, size: int) -> str:
    """Read from a ring buffer; what cannot be shown is shown by its code."""
    text = await ask(session, "ringbuf-read", device=device, size=size)
    shown = "".join(
        "\\\\"
        if each == "\\"
        else each
        if each in "\n\t" or (each.isprintable() and each.isascii())
        else f"\\u{ord(each):04x}"
        for each in text
    )
    return f"{shown}\n"


@commands.does("getfd")
async def getfd(session: SessionLike, *, fdname: str) -> None:
    """Keep the descriptor that came with the line."""
    await ask(session, "getfd", fdname=fdname)


@commands.does("closefd")
async def closefd(session: SessionLike, *, fdname: str) -> None:
    """Close a kept descriptor."""
    await ask(session, "closefd", fdname=fdname)
