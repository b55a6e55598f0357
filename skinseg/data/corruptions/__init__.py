"""Defects that real dermoscopic pictures have, at five severities; for measuring robustness."""

from skinseg.data.corruptions.corrupt import SEVERITIES, corrupt, list_corruptions

__all__ = ["SEVERITIES", "corrupt", "list_corruptions"]
