"""A gateway of many monitors, as a service."""
