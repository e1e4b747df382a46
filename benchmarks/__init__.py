"""Benchmarks of qmpx: one run measures everything and writes the page of figures.

``python -m benchmarks`` compares our server with a real QEMU and a bare responder in
C, and our clients with ``qemu.qmp``, taking turns, and holds the ratios against the
goals in `benchmarks.goals`.  Nothing here asserts a time: a figure is reported, and
its goal is met or missed.
"""
