"""Recordings of what the guest plays, as WAV files.

No guest plays anything here, so a recording has its header and no samples; it is a
complete file at any time.

Source: QEMU 0.13.
"""

import struct
from typing import Final

from qmpx.errors import GenericError
from qmpx.machine.values import Value

MAX_CAPTURES: Final = 64
"""Recordings at once: each is a file that somebody has to stop again."""

_PCM: Final = 1


class Capture(Value, frozen=True):
    """A recording.

    Attributes:
        path: The file.
        frequency: Samples a second.
        bits: Bits of a sample.
        channels: Samples at a time.
        size: Bytes of samples so far.
    """

    path: str
    frequency: int
    bits: int
    channels: int
    size: int = 0

    def __str__(self) -> str:
        form = f"{self.frequency},{self.bits},{self.channels}"
        return f"Capturing audio({form}) to {self.path}: {self.size} bytes"


class Captures(list[Capture]):
    """The recordings that run, the latest first.

    Attributes:
        backends: The names of the audio back ends: what a recording may be of.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backends: set[str] = set()

    def start(
        self,
        path: str,
        *,
        frequency: int | None = None,
        bits: int | None = None,
        channels: int | None = None,
    ) -> Capture:
        """Begin a recording; unless told otherwise as a CD has it.

        Raises:
            GenericError: It cannot be made; the text tells a person why.
        """
        frequency = 44100 if frequency is None else frequency
        bits = 16 if bits is None else bits
        channels = 2 if channels is None else channels
        reason = ""
        if bits not in (8, 16):
            reason = f"incorrect bit count {bits}, must be 8 or 16"
        elif channels not in (1, 2):
            reason = f"incorrect channel count {channels}, must be 1 or 2"
        elif not 0 < frequency <= 0xFFFFFFFF:
            reason = f"incorrect frequency {frequency}"
        elif len(self) >= MAX_CAPTURES:
            reason = f"{MAX_CAPTURES} captures are running"
        else:
            try:
                with open(path, "wb") as file:
                    file.write(_header(frequency, bits, channels))
            except OSError as error:
                reason = f"Failed to open wave file `{path}'\nReason: {error.strerror}"
        if reason:
            raise GenericError(reason)
        capture = Capture(path, frequency, bits, channels)
        self.insert(0, capture)
        return capture

    def stop(self, index: int) -> None:
        """End a recording; nothing happens if there is none of that number."""
        if 0 <= index < len(self):
            del self[index]


def _header(frequency: int, bits: int, channels: int) -> bytes:
    """Return the header of a WAV file without samples."""
    frame = channels * bits // 8
    described = struct.pack(
        "<HHIIHH",
        _PCM,
        channels,
        frequency,
        frequency * frame & 0xFFFFFFFF,
        frame,
        bits,
    )
    body = b"WAVEfmt " + struct.pack("<I", len(described)) + described
    body += b"data" + struct.pack("<I", 0)
    return b"RIFF" + struct.pack("<I", len(body)) + body
