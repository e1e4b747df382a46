"""What there is to see of a machine, and to type and point at."""
