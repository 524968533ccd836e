"""Engines make the picture; the pool gives them processes to burn CPU in."""
