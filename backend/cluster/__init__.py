"""Workers on a Ray cluster: one more way to start the same processes."""
