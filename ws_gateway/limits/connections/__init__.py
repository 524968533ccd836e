"""How many sockets each user has open."""
