"""Engines, which make the pictures, and the pool of processes for their CPU-bound work."""
