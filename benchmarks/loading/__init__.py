"""The parts of the load drill, `python -m benchmarks.load`."""
