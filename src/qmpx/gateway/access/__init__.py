"""Who somebody is, and what role that gives."""
