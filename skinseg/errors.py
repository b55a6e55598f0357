"""Errors that several subpackages raise; this module imports nothing."""


class CheckpointError(ValueError):
    """Weights that cannot be read, or do not fit the network."""


class OptimizationError(RuntimeError):
    """A network's fast form differs from the network by more than rounding."""


class MissingPackageError(ModuleNotFoundError):
    """A package that an optional feature needs is not installed; the message says what to do."""
