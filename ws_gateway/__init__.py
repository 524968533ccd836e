"""The gateway: publishes events of a user's tasks over WebSocket and HTTP. It has no database; it calls gRPC."""
