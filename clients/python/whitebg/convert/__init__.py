"""Conversion between protobuf and models. Outside of it, no module uses generated messages of tasks."""
