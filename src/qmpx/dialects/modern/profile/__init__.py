"""Answering as a captured QEMU does: what its profile says, and its types."""
