"""Events, numbered and kept, so that clients resume from where they were."""
