"""Hints that there is something new; the log alone says what."""
