"""Limits on rates, uploads and connections."""
