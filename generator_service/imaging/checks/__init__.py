"""Measurements of a finished file, for its report."""
