"""Deterministic simulation: seeded schedules in virtual time over session, client, feed and store; failures shrink."""
