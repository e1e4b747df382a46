"""Images for the tests of the block layer, and what is to be said of them."""

from __future__ import annotations

import json
import struct
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

KIB = 1024
MIB = 1024 * KIB


def qemu_img(*arguments: str | Path) -> str:
    """Run the real ``qemu-img``, which must succeed, and return what it prints."""
    words = ["qemu-img", *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def qemu_io(path: Path, *commands: str, options: str = "") -> str:
    """Run commands of the real ``qemu-io`` on an image."""
    words = ["qemu-io", *options.split(), *(x for c in commands for x in ("-c", c))]
    done = subprocess.run(
        [*words, str(path)], capture_output=True, text=True, timeout=30, check=True
    )
    assert "failed" not in done.stdout, done.stdout
    return done.stdout


def info(path: Path) -> Any:
    """Return what the real ``qemu-img info`` says of an image."""
    return json.loads(qemu_img("info", "--output=json", path))


def pattern(size: int, seed: int = 0) -> bytes:
    """Return bytes of which no two sectors are alike."""
    words = range(seed, seed + size // 8 + 1)
    return struct.pack(
        f"<{len(words)}Q", *(w * 0x9E3779B97F4A7C15 % 2**64 for w in words)
    )[:size]


def extension(data: bytes, kind: int) -> bytes | None:
    """Return an extension of a header of version 3; ``None`` if there is none so."""
    if struct.unpack_from(">I", data, 4) != (3,) or not any(data[88:96]):
        return None
    (at,) = struct.unpack_from(">I", data, 100)
    while (head := struct.unpack_from(">II", data, at))[0]:
        if head[0] == kind:
            return data[at + 8 : at + 8 + head[1]]
        at += 8 + -(-head[1] // 8) * 8
    return None


def check_qcow2(path: Path) -> list[str]:
    """Return what is wrong with the tables of a qcow2 image; nothing if it is well.

    This is a second opinion, written from the specification alone and for counts of 16
    bits; the real ``qemu-img check`` gives the third.
    """
    data = path.read_bytes()

    def numbers(at: int, count: int) -> tuple[int, ...]:
        return struct.unpack_from(f">{count}Q", data.ljust(at + 8 * count, b"\0"), at)

    bits, size = struct.unpack_from(">IQ", data, 20)
    l1_size, l1_at, table_at, table_size, shots, shots_at = struct.unpack_from(
        ">IQQIIQ", data, 36
    )
    cluster = 1 << bits
    used: Counter[int] = Counter()
    wrong: list[str] = []

    def use(at: int, length: int) -> None:
        used.update(range(at >> bits, (at + length - 1 >> bits) + 1))

    if (bitmaps := extension(data, 0x23852875)) is not None:
        count, _, size_of_all, at = struct.unpack(">IIQQ", bitmaps)
        use(at, size_of_all)
        for _ in range(count):
            table, entries, _, _, _, name_size, extra = struct.unpack_from(
                ">QIIBBHI", data, at
            )
            use(table, 8 * entries)
            for entry in numbers(table, entries):
                if entry & ~1:
                    use(entry & ~1, cluster)
            at += -(-(24 + name_size + extra) // 8) * 8
    l1s = [(l1_at, l1_size, True)]
    at = shots_at
    for _ in range(shots):
        l1, count, id_size, name_size = struct.unpack_from(">QIHH", data, at)
        (extra,) = struct.unpack_from(">I", data, at + 36)
        l1s.append((l1, count, False))
        at += -(-(40 + extra + id_size + name_size) // 8) * 8
    if shots:
        use(shots_at, at - shots_at)
    use(0, 1)
    use(table_at, table_size * cluster)
    flags: list[tuple[int, int, str]] = []
    for l1, count, is_active in l1s:
        use(l1, max(1, 8 * count))
        for index, entry in enumerate(numbers(l1, count)):
            l2 = entry & (1 << 56) - 512
            if not l2:
                continue
            use(l2, cluster)
            if is_active:
                flags.append((l2, entry >> 63, f"L1 entry {index}"))
            for place, each in enumerate(numbers(l2, cluster // 8)):
                host = each & (1 << 56) - 512
                if each >> 62 & 1:
                    shift = 62 - (bits - 8)
                    start = each & (1 << shift) - 1
                    sectors = each >> shift & (1 << 62 - shift) - 1
                    use(start, (sectors + 1) * 512 - start % 512)
                elif host:
                    use(host, cluster)
                    if is_active:
                        flags.append((host, each >> 63, f"entry {index}/{place}"))
    table = numbers(table_at, table_size * cluster // 8)
    for block in filter(None, table):
        use(block, cluster)
    counts = {}
    for index, block in enumerate(table):
        if block:
            base = index * cluster // 2
            values = struct.unpack_from(
                f">{cluster // 2}H", data.ljust(block + cluster, b"\0"), block
            )
            counts.update({base + n: v for n, v in enumerate(values) if v})
    wrong += [
        f"cluster {number}: {used[number]} {counts.get(number, 0)}"
        for number in sorted(used.keys() | counts.keys())
        if used[number] != counts.get(number, 0)
    ]
    for host, is_marked, name in flags:
        if is_marked != (used[host >> bits] == 1):
            wrong.append(f"{name}: marked {is_marked}, used {used[host >> bits]}")
    if l1_size * cluster * cluster // 8 < size:
        wrong.append("the L1 table is too small")
    return wrong
