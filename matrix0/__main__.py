"""`python -m matrix0`: the same as the command `matrix0`."""

from matrix0.cli import main

if __name__ == "__main__":
    main()
