"""Lets `python -m cli` run the `sonoloop` command."""

from cli.app import main

if __name__ == "__main__":
    main()
