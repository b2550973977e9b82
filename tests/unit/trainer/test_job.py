from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loop.errors import BadRequest
from loop.training_records import Split
from tests.discs import disc_job
from trainer.job import read_job


def test_a_job_survives_its_file(tmp_path: Path) -> None:
    job = disc_job(tmp_path, base="base.safetensors", champion=tmp_path / "c", resume_from=tmp_path / "r")
    job.write(tmp_path / "job.json")
    assert read_job(tmp_path / "job.json") == job


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"classes": ["vein"]}'])
def test_a_file_that_is_no_job_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(BadRequest):
        read_job(tmp_path / "job.json")


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    disc_job(tmp_path).write(tmp_path / "job.json")
    values = json.loads((tmp_path / "job.json").read_text())
    (tmp_path / "job.json").write_text(json.dumps(values | {"gpu": 1}))
    with pytest.raises(BadRequest, match="gpu"):
        read_job(tmp_path / "job.json")


def test_a_prior_class_outside_the_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="artery"):
        replace(disc_job(tmp_path), prior_class="artery")


def test_samples_are_found_by_split(tmp_path: Path) -> None:
    job = disc_job(tmp_path)
    assert {split: len(job.of_split(split)) for split in Split} == {"train": 8, "inner": 2, "held-out": 2}


def test_a_worker_that_writes_a_job_does_not_load_torch() -> None:
    code = "import sys, trainer.job, trainer.recipes, trainer.endings, trainer.sampling, trainer.metrics;"
    code += "print([name for name in ('torch', 'cv2', 'scipy') if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
