"""The generator service: one durable log of tasks, the workers that run them, and the gRPC API for them."""
