"""The guest agent's vocabulary, over the system of an embedded guest."""
