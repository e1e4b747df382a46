"""The vocabularies of monitors, and how each maps onto the machine."""
