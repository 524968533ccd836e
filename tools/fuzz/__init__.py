"""Fuzzing: mutated photos for the engine's processes, and generated calls for the real servers."""
