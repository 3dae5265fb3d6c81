"""What the network sees and computes: rules, encoding, net. No processes, files or clock."""
