"""Entry point: the `sonoloop` command."""
