"""``python -m jobyard`` is the command line."""

from jobyard.cli import main

if __name__ == "__main__":
    main()
