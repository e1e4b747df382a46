"""Commands for drives, images and their jobs.

Source: QEMU 7.2.22, observed.
"""

from typing import Any, Final

from qmpx.dialects.modern.human.declaring import HumanTable, ask, ask_exactly
from qmpx.errors import CommandError, GenericError
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

_READ_ONLY_MODES: Final = ("retain", "read-only", "read-write")
_FOUND_NONE: Final = "DeviceNotFound"


async def drives_of(session: SessionLike) -> dict[str, dict[str, Any]]:
    """Return what ``query-block`` tells, by the names of the drives."""
    return {drive["device"]: drive for drive in await ask(session, "query-block")}


@commands.does("commit")
async def commit(session: SessionLike, *, device: str) -> str | None:
    """Write what a drive has of its own into the image behind; for all, or one."""
    drives = await drives_of(session)
    if device != "all" and device not in drives:
        return f"Device '{device}' not found\n"
    for name in drives if device == "all" else (device,):
        drive = session.monitor.target.drives.find(name)
        inserted = drives[name].get("inserted")
        if inserted is None:
            if device == "all":
                continue
            return f"Device '{device}' has no medium\n"
        if "backing_file" not in inserted:
            if device == "all":
                continue
            return f"'commit' error for '{device}': Operation not supported\n"
        try:
            drive.commit()
        except CommandError as error:
            return f"'commit' error for '{device}': {error.desc}\n"
    return None


@commands.does("eject")
async def eject(session: SessionLike, *, force: bool = False, device: str) -> None:
    """Take a medium out of a drive."""
    await ask(session, "eject", device=device, force=force)


@commands.does("change")
async def change(
    session: SessionLike,
    *,
    device: str,
    force: bool = False,
    target: str,
    arg: str | None = None,
    read_only_mode: str | None = None,
) -> str | None:
    """Put another medium into a drive, or set the password of VNC."""
    if device == "vnc":
        return await _change_vnc(session, target, arg, read_only_mode)
    if read_only_mode is not None and read_only_mode not in _READ_ONLY_MODES:
        raise GenericError(f"invalid parameter value: {read_only_mode}")
    await ask(
        session,
        "blockdev-change-medium",
        device=device,
        filename=target,
        format=arg,
        read_only_mode=read_only_mode,
        force=force,
    )
    return None


async def _change_vnc(
    session: SessionLike, target: str, password: str | None, more: str | None
) -> str | None:
    if more is not None:
        raise GenericError("Parameter 'read-only-mode' is invalid for VNC")
    if target not in ("password", "passwd"):
        return "Expected 'password' after 'vnc'\n"
    if password is None:
        if not session.has_terminal:  # type: ignore[attr-defined]
            return "terminal does not support password prompting\n"
        password = await session.read_password()  # type: ignore[attr-defined]
    await ask(session, "change-vnc-password", password=password)
    return None


@commands.does("block_resize")
async def block_resize(session: SessionLike, *, device: str, size: int) -> None:
    """Change the size of an image."""
    await ask(session, "block_resize", device=device, size=size)


@commands.does("block_set_io_throttle")
async def block_set_io_throttle(
    session: SessionLike,
    *,
    device: str,
    bps: int,
    bps_rd: int,
    bps_wr: int,
    iops: int,
    iops_rd: int,
    iops_wr: int,
) -> None:
    """Limit a drive, which is named by its device or by itself."""
    limits = {
        "bps": bps,
        "bps_rd": bps_rd,
        "bps_wr": bps_wr,
        "iops": iops,
        "iops_rd": iops_rd,
        "iops_wr": iops_wr,
    }
    try:
        await ask_exactly(
            session, "block_set_io_throttle", {"device": device, **limits}
        )
    except CommandError as error:
        if error.error_class != _FOUND_NONE:
            raise
        await ask_exactly(session, "block_set_io_throttle", {"id": device, **limits})


# Jobs.


@commands.does("block_stream")
async def block_stream(
    session: SessionLike,
    *,
    device: str,
    speed: int | None = None,
    base: str | None = None,
) -> None:
    """Copy what is behind an image into it."""
    await ask(
        session,
        "block-stream",
        job_id=device,
        device=device,
        base=base,
        speed=speed,
        on_error="report",
    )


@commands.does("block_job_set_speed")
async def block_job_set_speed(session: SessionLike, *, device: str, speed: int) -> None:
    """Limit a job's bytes in a second."""
    await ask(session, "block-job-set-speed", device=device, speed=speed)


@commands.does("block_job_cancel")
async def block_job_cancel(
    session: SessionLike, *, force: bool = False, device: str
) -> None:
    """Call a job off."""
    await ask(session, "block-job-cancel", device=device, force=force)


def _job_command(name: str) -> None:
    async def carry_out(session: SessionLike, *, device: str) -> None:
        await ask(session, f"block-job-{name}", device=device)

    carry_out.__doc__ = f"Let a job {name}."
    commands.does(f"block_job_{name}")(carry_out)


for _name in ("complete", "pause", "resume"):
    _job_command(_name)


async def _copy(
    session: SessionLike,
    command: str,
    device: str,
    target: str,
    *,
    format_: str | None,
    reuse: bool,
    full: bool,
    **more: bool,
) -> None:
    """Start a job that copies a drive."""
    await ask(
        session,
        command,
        job_id=device,
        device=device,
        target=target,
        format=format_,
        sync="full" if full else "top",
        mode=_mode(reuse=reuse),
        **more,
    )


@commands.does("drive_mirror")
async def drive_mirror(
    session: SessionLike,
    *,
    reuse: bool = False,
    full: bool = False,
    device: str,
    target: str,
    format: str | None = None,  # noqa: A002 - as QEMU calls it
) -> None:
    """Copy a drive, and go on copying what is written."""
    await _copy(
        session,
        "drive-mirror",
        device,
        target,
        format_=format,
        reuse=reuse,
        full=full,
        unmap=True,
    )


@commands.does("drive_backup")
async def drive_backup(
    session: SessionLike,
    *,
    reuse: bool = False,
    full: bool = False,
    compress: bool = False,
    device: str,
    target: str,
    format: str | None = None,  # noqa: A002
) -> None:
    """Copy a drive as it is now."""
    await _copy(
        session,
        "drive-backup",
        device,
        target,
        format_=format,
        reuse=reuse,
        full=full,
        compress=compress,
    )


def _mode(*, reuse: bool) -> str:
    return "existing" if reuse else "absolute-paths"


# Snapshots of drives.


@commands.does("snapshot_blkdev")
async def snapshot_blkdev(
    session: SessionLike,
    *,
    reuse: bool = False,
    device: str,
    snapshot_file: str | None = None,
    format: str | None = None,  # noqa: A002
) -> None:
    """Go on in a new image over the old one."""
    if snapshot_file is None:
        # Where to would have to be asked, which 7.2 does not do.
        raise GenericError("Parameter 'snapshot-file' is missing")
    await ask(
        session,
        "blockdev-snapshot-sync",
        device=device,
        snapshot_file=snapshot_file,
        format=format,
        mode=_mode(reuse=reuse),
    )


@commands.does("snapshot_blkdev_internal")
async def snapshot_blkdev_internal(
    session: SessionLike, *, device: str, name: str
) -> None:
    """Keep a drive's state in its image."""
    await ask(session, "blockdev-snapshot-internal-sync", device=device, name=name)


@commands.does("snapshot_delete_blkdev_internal")
async def snapshot_delete_blkdev_internal(
    session: SessionLike,
    *,
    device: str,
    name: str,
    id: str | None = None,  # noqa: A002
) -> None:
    """Forget a state that is kept in an image."""
    await ask(
        session,
        "blockdev-snapshot-delete-internal-sync",
        device=device,
        id=id,
        name=name,
    )
