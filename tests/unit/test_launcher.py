"""The launcher in a small checkout of its own: two-line packages, real uv, no network."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "import os, sys, leaf\nprint('ran', leaf.VERSION, sys.argv[1:], os.getcwd())\n"
UV_THAT_CAN_WAIT = """#!/bin/sh
if [ "$1 $2" = "pip sync" ]; then
    echo sync >>"{log}"
    if [ -e "{slow}" ]; then : >"{log}.begun"; exec sleep 30; fi
fi
exec "{uv}" "$@"
"""


@dataclass(frozen=True)
class Checkout:
    root: Path
    environment: dict[str, str]

    def start(self, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.root / "sonoloop"), *arguments],
            cwd=cwd or self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, cwd: Path | None = None) -> tuple[int, str, str]:
        process = self.start(*arguments, cwd=cwd)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def lock(self, name: str, *pins: str) -> None:
        (self.root / "requirements" / f"{name}.lock").write_text("".join(f"{pin}\n" for pin in pins))

    @property
    def syncs(self) -> int:
        log = self.root.parent / "uv.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    @property
    def slow(self) -> Path:
        return self.root.parent / "slow"


def write_wheel(folder: Path, name: str, version: str, code: str = "") -> None:
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": code or f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root, wheels, programs = tmp_path / "checkout", tmp_path / "wheels", tmp_path / "bin"
    for folder in (root / "requirements", root / "cli", wheels, programs):
        folder.mkdir(parents=True)
    for name, version in (("leaf", "1.0"), ("leaf", "10.0"), ("twig", "1.0"), ("studio", "1.0")):
        write_wheel(wheels, name, version)
    shutil.copy(ROOT / "sonoloop", root)
    (root / "cli" / "__init__.py").touch()
    (root / "cli" / "__main__.py").write_text(COMMAND)
    uv = shutil.which("uv") or ROOT / ".tools" / "uv" / "bin" / "uv"
    (programs / "uv").write_text(
        UV_THAT_CAN_WAIT.format(uv=uv, log=tmp_path / "uv.log", slow=tmp_path / "slow")
    )
    (programs / "uv").chmod(0o755)
    (programs / "python3.11").symlink_to(Path(sys.executable).resolve())
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))},
        "PATH": f"{programs}:{os.environ['PATH']}",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(wheels),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
    }
    made = Checkout(root, environment)
    made.lock("app", "leaf==1.0")
    made.lock("dev", "leaf==1.0", "twig==1.0")
    made.lock("label-studio", "studio==1.0")
    return made


def test_the_first_start_installs_and_the_second_does_not(checkout: Checkout) -> None:
    code, out, err = checkout.run("status", "--home", "a b")
    assert (code, out) == (0, f"ran 1.0 ['status', '--home', 'a b'] {checkout.root}\n")
    assert "installing Sonoloop's packages" in err
    assert checkout.run("status") == (0, f"ran 1.0 ['status'] {checkout.root}\n", "")


def test_a_folder_of_the_same_name_where_the_person_stands_is_not_taken_for_ours(
    checkout: Checkout, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "cli").mkdir(parents=True)
    (elsewhere / "cli" / "__main__.py").write_text("print('wrong one')")
    assert checkout.run("status", cwd=elsewhere)[1] == f"ran 1.0 ['status'] {elsewhere}\n"


def test_the_launcher_may_be_called_through_a_link(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "bin" / "sonoloop").symlink_to("../checkout/sonoloop")
    done = subprocess.run(
        ["sonoloop", "status"],
        env=checkout.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("ran 1.0")


@pytest.mark.parametrize(
    ("arguments", "is_made"),
    [
        (["up"], True),
        (["--home", "demo", "demo"], True),
        (["--home", "demo", "status"], False),
        (["export"], False),
        (["up", "--help"], False),
        ([], False),
    ],
)
def test_label_studio_is_installed_only_for_commands_that_need_it(
    checkout: Checkout, arguments: list[str], is_made: bool
) -> None:
    assert checkout.run(*arguments)[0] == 0
    assert (checkout.root / ".venv-label-studio" / "stamps").exists() is is_made


def test_the_test_command_brings_the_developers_packages_and_the_app_keeps_them(checkout: Checkout) -> None:
    twig = checkout.root / ".venv" / "lib" / "python3.11" / "site-packages" / "twig.py"
    checkout.run("status")
    assert not twig.exists()
    checkout.run("test")
    assert twig.exists()
    assert checkout.run("status")[2] == ""


def test_a_changed_lock_brings_the_environment_up_to_date(checkout: Checkout) -> None:
    checkout.run("status")
    checkout.lock("app", "leaf==10.0")  # not as long as 1.0: bytecode is known by time (1 s) and size
    _, out, err = checkout.run("status")
    assert out.startswith("ran 10.0")
    assert "up to date" in err


def test_a_checkout_that_was_moved_makes_its_environments_anew(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("status")
    moved = Checkout(tmp_path / "moved", checkout.environment)
    checkout.root.rename(moved.root)
    assert moved.run("status")[1] == f"ran 1.0 ['status'] {moved.root}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_installation_says_so_and_the_next_start_repairs_it(
    checkout: Checkout, number: signal.Signals
) -> None:
    checkout.slow.touch()
    process = checkout.start("status")
    begun = checkout.root.parent / "uv.log.begun"
    while not begun.exists():
        time.sleep(0.01)
    os.killpg(process.pid, number)
    assert "start the same command again" in process.communicate(timeout=10)[1]
    assert process.returncode == 128 + number
    assert not (checkout.root / ".venv" / "stamps").exists()
    checkout.slow.unlink()
    assert checkout.run("status")[1].startswith("ran 1.0")


def test_a_package_that_was_half_copied_is_installed_again(checkout: Checkout) -> None:
    checkout.run("status")
    shutil.rmtree(checkout.root / ".venv" / "stamps")
    (checkout.root / ".venv" / "lib" / "python3.11" / "site-packages" / "leaf.py").unlink()
    assert checkout.run("status")[1].startswith("ran 1.0")


def test_two_starts_at_once_install_once_and_both_run(checkout: Checkout) -> None:
    started = [checkout.start("status") for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in started]
    assert outputs == [f"ran 1.0 ['status'] {checkout.root}\n"] * 2
    assert checkout.syncs == 1


def test_a_failed_installation_says_what_to_do_and_leaves_nothing_that_looks_whole(
    checkout: Checkout,
) -> None:
    checkout.lock("app", "absent==1.0")
    code, out, err = checkout.run("status")
    assert (code, out) == (1, "")
    assert "could not install requirements/app.lock" in err
    assert "what to do:" in err
    checkout.lock("app", "leaf==1.0")
    assert checkout.run("status")[0] == 0


def test_a_package_other_than_the_lock_knows_is_refused(checkout: Checkout) -> None:
    wheel = checkout.root.parent / "wheels" / "leaf-1.0-py3-none-any.whl"
    known = f"leaf==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"
    checkout.lock("app", known)
    write_wheel(wheel.parent, "leaf", "1.0", "VERSION = 'not what was locked'\n")
    code, out, err = checkout.run("status")
    assert (code, out) == (1, "")
    assert "Hash mismatch" in err
    write_wheel(wheel.parent, "leaf", "1.0")
    assert checkout.run("status")[:2] == (0, f"ran 1.0 ['status'] {checkout.root}\n")


def test_a_checkout_that_cannot_be_written_is_named_in_our_words(checkout: Checkout) -> None:
    tools = checkout.root / ".tools"
    tools.write_text("in the way")
    first = checkout.run("status")
    tools.unlink()
    (tools / "lock").mkdir(parents=True)  # root too is refused here, unlike by permissions
    for code, out, err in (first, checkout.run("status")):
        assert (code, out) == (1, "")
        assert [line.split(":")[0].strip() for line in err.splitlines()] == [
            *("sonoloop", "got", "need", "what to do")
        ]
        assert "a checkout that this user may not write to" in err


def test_a_machine_without_python_3_11_is_told_what_it_needs(checkout: Checkout, tmp_path: Path) -> None:
    programs = tmp_path / "old"
    programs.mkdir()
    for name in ("bash", "basename", "cat", "cmp", "dirname", "env", "readlink"):
        (programs / name).symlink_to(str(shutil.which(name)))
    (programs / "python3").write_text("#!/bin/sh\n[ $1 = --version ] && echo Python 3.9.2\nexit 1\n")
    (programs / "python3").chmod(0o755)
    checkout.environment["PATH"] = str(programs)
    code, _, err = checkout.run("status")
    assert code == 1
    assert "Python 3.9.2" in err
    assert "need:       Python 3.11" in err
    assert "what to do: install it" in err
    assert not (checkout.root / ".venv").exists()
