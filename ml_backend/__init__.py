"""Entry point: the server that Label Studio calls."""
