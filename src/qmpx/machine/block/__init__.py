"""Image files: formats recognised by their header, backing files, snapshots.

`open_image` is the way in. The machine's drives are in `qmpx.machine.drive`.
"""

from qmpx.machine.block.image import Image, ImageError, Snapshot
from qmpx.machine.block.opening import FORMATS, open_image, probe
from qmpx.machine.block.storage import Statistics, Storage

__all__ = [
    "FORMATS",
    "Image",
    "ImageError",
    "Snapshot",
    "Statistics",
    "Storage",
    "open_image",
    "probe",
]
