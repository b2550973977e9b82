"""The active-learning loop: pure rules and use cases; numpy and the standard library only."""
