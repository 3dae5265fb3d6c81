"""What the network sees and computes: rules, encoding, SSL targets, the net. No processes, no files, no clock."""
