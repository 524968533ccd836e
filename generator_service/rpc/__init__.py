"""The gRPC interface: servicer, interceptors, authentication and conversion of messages."""
