"""An engine of others as a teacher: what it thinks of positions becomes targets to learn from."""
