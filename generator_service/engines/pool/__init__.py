"""A pool of processes that run jobs within limits of time and memory."""
