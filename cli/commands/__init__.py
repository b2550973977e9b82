"""The words of the command: each parses, calls one function, and prints."""
