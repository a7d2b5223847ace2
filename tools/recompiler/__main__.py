"""`python -m recompiler` is the command line."""

from recompiler.cli import main

if __name__ == "__main__":
    main()
