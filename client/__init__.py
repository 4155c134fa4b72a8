"""Clients of moot. `connect` is the way in for programs and bots; it imports nothing of the server."""
