"""Instructions: decoded facts, registers, names, listings."""
