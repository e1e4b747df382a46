"""What the gateway has of its host: sockets, files, visitors, times."""
