"""An independent checker: reads histories of clients, workers and the log, and reports each broken guarantee by name.

It imports nothing of the product, so that it shares no mistake with it.
"""
