"""The devices of a PC's board: what a guest reaches by port I/O."""
