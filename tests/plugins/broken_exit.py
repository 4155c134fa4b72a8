"""A plugin that ends whoever imports it."""

raise SystemExit("goodbye")
