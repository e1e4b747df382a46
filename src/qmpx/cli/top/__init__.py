"""``qmpx top``: what machines do, at a glance.

What is measured and what follows from it are decided in `measures` and `watching`,
which know no screen; only `screen` needs textual.
"""
