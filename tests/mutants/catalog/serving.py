"""Errors in the service."""

from ..mutant import Mutant

MUTANTS = [
    Mutant(
        "answers_exchanged",
        "skinseg/serving/batching.py",
        "zip(batch, predictions, strict=True)",
        "zip(batch, predictions[::-1], strict=True)",
        "Clients whose images share a batch get each other's masks.",
        tests=("serving",),
        chosen_after=True,
    ),
    Mutant(
        "body_without_limit",
        "skinseg/serving/intake.py",
        "        if received > limit:",
        "        if False:",
        "A body that does not tell its length fills the memory.",
        tests=("serving",),
        chosen_after=True,
    ),
    Mutant(
        "pixels_without_limit",
        "skinseg/serving/images.py",
        "if width * height > limits.max_pixels:",
        "if False:",
        "A small file of very many pixels is decoded.",
        tests=("serving",),
        chosen_after=True,
    ),
    Mutant(
        "requests_never_end",
        "skinseg/serving/service.py",
        "            self._requests -= 1",
        "            pass",
        "After as many requests as may be answered at a time, all are refused.",
        tests=("serving",),
        chosen_after=True,
    ),
]
