"""Commands on migration: starting it, its parameters, its progress."""
