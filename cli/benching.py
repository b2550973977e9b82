"""`sonoloop bench`: runs a benchmark of the checkout, as `sonoloop test` runs its tests."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cli.shell import console, say
from loop.errors import BadRequest
from trainer.processes import die_with_parent

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks"


def run_benchmark(name: str, arguments: Sequence[str]) -> int:
    """Run `python -m benchmarks.NAME` and return its exit status; without a name list them all.

    Raises BadRequest for a name that is none.
    """
    known = list_benchmarks()
    if not name:
        for each, words in known.items():
            say(console, f"{each:<10} {words}")
        return 0
    if name not in known:
        raise BadRequest(f"the benchmark {name!r}", f"one of {', '.join(known)}", "name one of them")
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    # Else one that is killed would leave the measuring behind, for hours.
    return subprocess.run(command, cwd=ROOT, check=False, preexec_fn=die_with_parent).returncode


def list_benchmarks() -> dict[str, str]:
    """Every benchmark that can be run, with its first sentence; none where only the program is installed."""
    modules = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.py"))}
    found = {name: (ast.get_docstring(module) or "").partition(":")[0] for name, module in modules.items()}
    return {name: words for name, words in found.items() if _has_main(modules[name])}


def _has_main(module: ast.Module) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in module.body)
