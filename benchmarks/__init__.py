"""Measurements, each with a table: `.venv/bin/python -m benchmarks.NAME`."""
