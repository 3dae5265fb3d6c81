"""The self-supervised task: what is hidden from the network and asked back."""
