"""The thin shell between WebSockets and the protocol."""
