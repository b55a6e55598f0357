"""Errors that several rooms raise; this module imports nothing."""


class CheckpointError(ValueError):
    """Weights that cannot be read, or do not fit the network."""
