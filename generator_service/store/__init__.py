"""The one truth: tasks, and the log of what happened to them, changed together or not at all."""
