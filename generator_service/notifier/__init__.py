"""Hints about changes; only the log contains the changes themselves."""
