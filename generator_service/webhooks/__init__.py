"""Webhooks: events of the log, delivered to the addresses of other systems."""
