"""Benchmarks: commands that print figures anyone can reproduce. None of them is a test."""
