"""The vocabulary every part of moot shares. It imports nothing of ours and starts nothing."""

__version__ = "0.1.0"
