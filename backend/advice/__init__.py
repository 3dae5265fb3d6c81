"""What settings fit a machine: measured, worked out by a rule that can be read, written as TOML."""
