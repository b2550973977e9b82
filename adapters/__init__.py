"""The outside world that is not SQL, and the composition root."""
