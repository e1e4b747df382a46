"""What is counted and traced, and where it is read."""
