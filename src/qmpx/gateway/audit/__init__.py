"""What clients did, written down so that a gap shows."""
