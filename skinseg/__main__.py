"""``python -m skinseg``, and ``torchrun ... -m skinseg train`` for several processes."""

from skinseg.cli import main

main()
