"""Whether a run on disk is whole: what `matrix0 verify` asks. Imports no torch, changes nothing."""
