"""The numbers of the NBD protocol, and what both sides do alike.

Source: the protocol's specification (``doc/proto.md`` of the NetworkBlockDevice
project).
"""

import struct
from typing import Final

MAGIC: Final = b"NBDMAGIC"
OPTION_MAGIC: Final = b"IHAVEOPT"
REPLY_MAGIC: Final = 0x3E889045565A9
REQUEST_MAGIC: Final = 0x25609513
SIMPLE_MAGIC: Final = 0x67446698
CHUNK_MAGIC: Final = 0x668E33EF

FIXED_NEWSTYLE: Final = 1
NO_ZEROES: Final = 2

OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST = 1, 2, 3
OPT_INFO, OPT_GO, OPT_STRUCTURED = 6, 7, 8
OPT_LIST_META, OPT_SET_META = 9, 10

REP_ACK, REP_SERVER, REP_INFO, REP_META = 1, 2, 3, 4
REP_ERR_UNSUP: Final = 0x80000001
REP_ERR_INVALID: Final = 0x80000003
REP_ERR_UNKNOWN: Final = 0x80000006

INFO_EXPORT, INFO_BLOCK_SIZE = 0, 3

CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH, CMD_TRIM = 0, 1, 2, 3, 4
CMD_WRITE_ZEROES, CMD_BLOCK_STATUS = 6, 7

HAS_FLAGS: Final = 1
READ_ONLY: Final = 2
SEND_FLUSH: Final = 4
SEND_FUA: Final = 8
SEND_TRIM: Final = 32
SEND_WRITE_ZEROES: Final = 64
SEND_DF: Final = 128
CAN_MULTI_CONN: Final = 256

FLAG_FUA: Final = 1
FLAG_REQ_ONE: Final = 8

CHUNK_DONE: Final = 1
CHUNK_NONE, CHUNK_DATA, CHUNK_STATUS = 0, 1, 5
CHUNK_ERROR: Final = 32769

STATE_HOLE, STATE_ZERO = 1, 2

REQUEST: Final = struct.Struct(">IHHQQI")
SIMPLE: Final = struct.Struct(">IIQ")
CHUNK: Final = struct.Struct(">IHHQI")
OPTION: Final = struct.Struct(">8sII")
OPTION_REPLY: Final = struct.Struct(">QIII")

MAX_REQUEST: Final = 32 << 20
"""Bytes of one request: the protocol's recommendation, and QEMU's figure."""

MAX_OPTION: Final = 64 << 10
"""Bytes of one option: names are at most 4096 bytes, and lists of them short."""

MAX_OPTIONS: Final = 64
"""Options of one client before it is given up: real ones send five."""

BASE_ALLOCATION: Final = "base:allocation"
"""The meta context that tells of holes and zeros."""

ALLOCATION_DEPTH: Final = "qemu:allocation-depth"
"""QEMU's meta context that tells how far behind the data are: 0 for nowhere."""

DIRTY_BITMAP: Final = "qemu:dirty-bitmap:"
"""How QEMU's meta contexts begin that tell what is dirty; a bitmap's name follows."""

FIRST_BITMAP: Final = 2
"""The context of the first bitmap; 0 and 1 are the two that are no bitmaps."""

STATE_DIRTY: Final = 1
