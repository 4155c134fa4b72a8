"""A plugin whose entry point names no fun command."""

SOMETHING = 42
