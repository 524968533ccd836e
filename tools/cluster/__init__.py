"""The whole topology on one machine, as real processes: `make cluster`."""
