"""Coverage-guided fuzzing of whatever decodes what others wrote. `make fuzz` runs it; nothing here is shipped."""
