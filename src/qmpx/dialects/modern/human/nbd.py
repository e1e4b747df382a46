"""Serving drives by NBD.

Source: QEMU 7.2.22, observed.
"""

from typing import Any

from qmpx.dialects.modern.human.block import drives_of
from qmpx.dialects.modern.human.declaring import HumanTable, ask
from qmpx.errors import CommandError, GenericError
from qmpx.monitor.registry import SessionLike

commands = HumanTable()


@commands.does("nbd_server_start")
async def nbd_server_start(
    session: SessionLike,
    *,
    all: bool = False,  # noqa: A002 - as QEMU calls it
    writable: bool = False,
    uri: str,
) -> None:
    """Serve NBD, and with ``-a`` all drives that have something in them."""
    if writable and not all:
        raise GenericError("-w only valid together with -a")
    await ask(session, "nbd-server-start", addr=_address(uri))
    if not all:
        return
    for name, drive in (await drives_of(session)).items():
        if "inserted" not in drive or not name:
            continue
        is_writable = writable and not drive["inserted"].get("ro", False)
        try:
            await ask(session, "nbd-server-add", device=name, writable=is_writable)
        except CommandError:
            await ask(session, "nbd-server-stop")
            raise


def _address(uri: str) -> dict[str, Any]:
    """Return a socket's address as QMP has it.

    Raises:
        GenericError: It is none.
    """
    if uri.startswith("unix:"):
        return {"type": "unix", "data": {"path": uri.removeprefix("unix:")}}
    host, colon, port = uri.removeprefix("tcp:").rpartition(":")
    if not colon:
        raise GenericError(f"error parsing address '{uri}'")
    host = host.removeprefix("[").removesuffix("]")
    return {"type": "inet", "data": {"host": host, "port": port.partition(",")[0]}}


@commands.does("nbd_server_add")
async def nbd_server_add(
    session: SessionLike,
    *,
    writable: bool = False,
    device: str,
    name: str | None = None,
) -> None:
    """Serve a drive by NBD.

    Raises:
        GenericError: There is nothing in it.
    """
    drive = (await drives_of(session)).get(device)
    if drive is not None and "inserted" not in drive:
        raise GenericError(f"Device '{device}' has no medium")
    await ask(session, "nbd-server-add", device=device, name=name, writable=writable)


@commands.does("nbd_server_remove")
async def nbd_server_remove(
    session: SessionLike, *, force: bool = False, name: str
) -> None:
    """Serve a drive no more."""
    await ask(session, "nbd-server-remove", name=name, mode="hard" if force else "safe")


@commands.does("nbd_server_stop")
async def nbd_server_stop(session: SessionLike) -> None:
    """Serve NBD no more."""
    await ask(session, "nbd-server-stop")
