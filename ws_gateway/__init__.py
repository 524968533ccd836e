"""The gateway: what happens to a user's tasks, told over WebSocket and HTTP. It has no database; it talks gRPC."""
