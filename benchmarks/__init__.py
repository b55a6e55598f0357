"""Measurements behind docs/results and the weights that ship; README.md is the index."""
