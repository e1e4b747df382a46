"""The connections to the monitors that are shared."""
