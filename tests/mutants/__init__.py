"""Errors put into the package on purpose, one at a time, to see whether a test notices."""
