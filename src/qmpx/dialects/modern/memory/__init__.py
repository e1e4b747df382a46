"""Commands on the guest's memory: reading, sizing, dumping it."""
