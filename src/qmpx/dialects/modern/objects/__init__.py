"""Commands on QOM: reading the tree, and objects that users make."""
