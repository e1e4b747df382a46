"""Commands on drives and block nodes, their exports and transactions."""
