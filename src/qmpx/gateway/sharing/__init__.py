"""One monitor, many clients: each sees a monitor of its own."""
