"""Metrics, logs, traces, readiness and diagnosis."""
