"""The control centre in the terminal. May be deleted and everything else still runs."""
