"""What a task is and how it may change: pure Python, no I/O, no clock but the one passed in."""
