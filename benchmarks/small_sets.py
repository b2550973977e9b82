"""What a recipe is worth with few labels: step by step on one fold, then on all of them.

Trials run side by side and are kept line by line, so that a run that was cut short goes on.
"""

from __future__ import annotations

from benchmarks.few_labels.running import run


def main() -> None:
    """Run what the file of results does not hold yet, then print the table."""
    run()


if __name__ == "__main__":
    main()
