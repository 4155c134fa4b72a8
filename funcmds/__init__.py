"""Fun commands: pure functions (args, rng) -> Art, their registry, and the sandbox that runs them caged."""
