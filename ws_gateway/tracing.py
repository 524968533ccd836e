"""Spans for OpenTelemetry, where it is installed and switched on."""
