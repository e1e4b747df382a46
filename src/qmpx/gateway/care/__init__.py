"""Looking after a shared monitor: deadlines, health, what it said, how it stands."""
