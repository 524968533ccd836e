"""A seeded schedule of faults over the real processes, under all kinds of clients, judged by `tools.checker`."""
