"""The WebSocket protocol as pure state machines: no sockets, no tasks, the time passed in."""
