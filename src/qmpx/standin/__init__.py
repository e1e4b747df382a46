"""Standing in for QEMU's program: its command line, its process, what it knows.

``qmpx-system-x86_64`` takes the options of ``qemu-system-x86_64``, behaves like it
towards whoever started it, and opens the monitors that were asked for; behind them is
the embedded machine. What a real binary says of itself (its schema, its machines, its
processors, ...) comes from a *profile*.

Much here runs before anything else is imported: a program that starts a QEMU waits for
the greeting.
"""
