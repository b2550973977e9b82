"""`compare` from the command to the report, with real trainings of one epoch."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.compare import compare
from tests.compared import data_of, request, write_recipe


@pytest.mark.timeout(200)
def test_relative_paths_are_those_of_the_folder_in_which_the_person_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_of(tmp_path / "data")
    write_recipe(tmp_path / "tiny.json")
    monkeypatch.chdir(tmp_path)
    compare(request(Path("data"), Path("out"), networks="mobilenetv3-unet", recipe="tiny.json"))
    assert "mobilenetv3-unet" in (tmp_path / "out" / "table.md").read_text()
