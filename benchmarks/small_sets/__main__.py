"""`python -m benchmarks.small_sets`."""

from benchmarks.small_sets.running import main

if __name__ == "__main__":
    main()
