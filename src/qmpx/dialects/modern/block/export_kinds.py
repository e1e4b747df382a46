"""Exports by other ways than NBD: none is carried out, and wrong ones are told first.

Source: QEMU 7.2.22, observed.
"""

import os
import stat
from typing import Any, Final, NoReturn

from qmpx.errors import GenericError

_SECTOR: Final = 512
_QUEUE_SIZES: Final = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
_LARGEST_BLOCK: Final = 2 << 20


def refuse_kind(options: dict[str, Any]) -> NoReturn:
    """Refuse what is not exported by NBD.

    Raises:
        GenericError: Always.
    """
    kind = options["type"]
    if kind == "fuse":
        mountpoint = options["mountpoint"]
        try:
            found = os.stat(mountpoint)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            message = f"Failed to stat '{mountpoint}': {why}"
            raise GenericError(message) from error
        if not stat.S_ISREG(found.st_mode):
            message = f"'{mountpoint}' is not a regular file"
            raise GenericError(message)
    if kind == "vhost-user-blk":
        _check_block_size(options)
        if options.get("num-queues") == 0:
            message = "num-queues must be greater than 0"
            raise GenericError(message)
        if options["addr"]["type"] not in ("unix", "fd"):
            message = "Only socket address types 'unix' and 'fd' are supported"
            raise GenericError(message)
    if kind == "vhost-user-blk" and options["addr"]["type"] == "fd":
        message = f"File descriptor named '{options['addr']['str']}' has not been found"
        raise GenericError(message)
    if kind == "vduse-blk":
        _check_vduse(options)
        message = "failed to create vduse device"
        raise GenericError(message)
    message = f"exports of type {kind} are not carried out here"
    raise GenericError(message)


def _check_block_size(options: dict[str, Any]) -> None:
    """Check the size of the blocks that a guest sees.

    Raises:
        GenericError: It is none.
    """
    size = options.get("logical-block-size", _SECTOR)
    prefix = f"Property {options['id']}.logical-block-size doesn't take value"
    if size and not _SECTOR <= size <= _LARGEST_BLOCK:
        message = f"{prefix} {size} (minimum: {_SECTOR}, maximum: {_LARGEST_BLOCK})"
        raise GenericError(message)
    if size & (size - 1):
        message = f"{prefix} '{size}', it's not a power of 2"
        raise GenericError(message)


def _check_vduse(options: dict[str, Any]) -> None:
    """Check the queues of a block device in user space.

    Raises:
        GenericError: There can be none such.
    """
    if options.get("num-queues") == 0:
        message = "num-queues must be greater than 0"
        raise GenericError(message)
    size = options.get("queue-size", _QUEUE_SIZES[-1])
    if size not in _QUEUE_SIZES:
        message = "queue-size is invalid"
        raise GenericError(message)
    _check_block_size(options)
