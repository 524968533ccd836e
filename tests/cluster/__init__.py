"""The whole topology on one machine, as real processes: to use (`make cluster`) and to break (`make cluster-test`)."""
