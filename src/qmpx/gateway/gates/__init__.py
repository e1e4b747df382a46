"""What may refuse what a role allows, or let it wait: limits and leases."""
