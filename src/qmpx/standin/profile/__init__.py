"""Profiles: what one QEMU binary says of itself, in a file."""
