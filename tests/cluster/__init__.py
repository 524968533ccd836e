"""The topology of `tools/cluster` with every kind of failure: `make cluster-test`."""
