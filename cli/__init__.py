"""Entry point: the `sonoloop` command."""

VERSION = "0.1.0"
"""Of the whole program; equal to the one in pyproject.toml, which a container does not hold."""
