"""`python -m supple` is the command `supple`."""

from supple.cli import main

if __name__ == "__main__":
    main()
