"""Root of the proto packages."""
