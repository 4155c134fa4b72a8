"""Workers: processes that own the connections: bytes, dialects, limits, send queues and fan-out. They never decide."""
