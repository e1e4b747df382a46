"""Generated bindings of a recent QEMU: names and types, as its schema has them."""
