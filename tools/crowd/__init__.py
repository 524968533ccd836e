"""Many sockets on one gateway: the cost of stalled clients, and the return of a lost gateway's clients."""
