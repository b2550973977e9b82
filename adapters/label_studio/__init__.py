"""Label Studio: its process, its API, the project that readers work in, and a reader's own session."""
