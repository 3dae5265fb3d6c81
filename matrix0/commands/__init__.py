"""The commands of the command line. Each file imports what it needs when it is called."""
