"""Where monitors come from: addresses, patterns, directories, callers."""
