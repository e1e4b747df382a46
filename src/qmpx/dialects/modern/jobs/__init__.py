"""Commands that start jobs and see to them; the events that jobs send."""
