"""Compare the stand-in with a real QEMU 7.2 by random conversations: `make compare`."""
