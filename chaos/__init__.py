"""The proof: load, faults and a checker of what clients were told against what the server kept. Not shipped."""
