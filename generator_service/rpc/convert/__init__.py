"""Conversion between domain values and the API's messages."""
