"""The connection to the generator service: calls, the event stream and its fan-out."""
