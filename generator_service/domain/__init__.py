"""Tasks and the rules of their changes: pure Python, without I/O, with clocks passed in."""
