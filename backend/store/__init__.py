"""The run's database and journal: one writer, everything in them derivable from files."""
