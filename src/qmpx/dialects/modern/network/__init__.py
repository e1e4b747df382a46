"""Commands on network backends and adapters, and the options of netdevs."""
