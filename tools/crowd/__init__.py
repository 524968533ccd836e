"""Many sockets on one gateway: what stalled clients cost the others, and how soon a lost gateway's clients return."""
