"""Any terminal, any operating system: what a command needs of them, and what it does where that is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.forked import artbp, forked

COMMANDS = {
    "run --help": ["run", "--help"],
    "run": ["run", "task.steps=50", "method=bptt"],
    "a mistake": ["run", "method.length=0"],
    "collect": ["collect", str(ROOT / "results" / "ptb_rounding"), "--out", "out.csv"],
    "figures --help": ["figures", "--help"],
    "report --help": ["report", "--help"],
    "verify --help": ["verify", "--help"],
    "verify": ["verify", "task=synthetic", "verify.steps=4", "verify.draws=0"],
    "diagnose --help": ["diagnose", "--help"],
    "bench --help": ["bench", "--help"],
}


def python(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_without_unicode_gets_what_it_can_show(command: str, tmp_path: Path) -> None:
    name, *arguments = COMMANDS[command]
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    encoding = {"PYTHONIOENCODING": "latin-1"} if command == "run --help" else ascii_only
    done = python(tmp_path, "-m", f"artbp_exp.cli.{name}", *arguments, **encoding)
    assert b"codec can't" not in done.stderr, done.stderr
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.returncode == (2 if command == "a mistake" else 0), done.stderr
    assert done.stdout or done.stderr
    if command == "a mistake":
        assert b"a number >= 1; got 0" in done.stderr


ELSEWHERE = """
import os, signal, sys, warnings
sys.modules["fcntl"] = sys.modules["resource"] = None
for name in ("SIGUSR1", "SIGUSR2", "SIGPIPE"):
    delattr(signal, name)
for name in ("fork", "getppid", "sysconf", "sched_getaffinity"):
    delattr(os, name)
warnings.simplefilter("ignore")  # filelock's own, that this is no Windows
import importlib, pkgutil
import artbp_exp.cli
for module in pkgutil.walk_packages(artbp_exp.cli.__path__, "artbp_exp.cli."):
    importlib.import_module(module.name)
from artbp_exp.cli.run import main
main()
"""


@pytest.mark.parametrize("sweep", [(), ("-m",)], ids=["one run", "sweep"])
def test_without_what_only_unix_has(sweep: tuple[str, ...], tmp_path: Path) -> None:
    done = python(tmp_path, "-c", ELSEWHERE, *sweep, "task.steps=50", "task.size=4", "task.positive=1", "run_dir=run")
    assert done.returncode == 0, done.stderr
    assert b"finished" in done.stdout
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *("config.yaml", "metrics.csv", "model.pt", "segments.csv", "summary.json"),
    }
    if sweep:
        return
    again = python(tmp_path, "-c", ELSEWHERE, "task.steps=50", "task.size=4", "task.positive=1", "run_dir=run")
    assert b"already finished" in again.stdout


ONLY = """
import sys
from artbp_exp.cli.run import main
main()
unused = {"pooch", "requests", "pandas", "matplotlib", "tensorboard", "joblib", "optuna"}
print(*sorted(unused & set(sys.modules)), *(name for name in sys.modules if name.startswith("artbp_exp.")))
"""


def test_a_run_imports_only_what_it_asks_for(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", ONLY, "task=synthetic", "task.steps=50")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.decode().splitlines()[-1].split())
    assert "artbp_exp.tasks.synthetic" in loaded
    unused = {f"artbp_exp.{name}" for name in ("tasks.ptb", "tasks.text.corpus", "models.lstm", "optimizers.adam")}
    assert not loaded & {"pooch", "requests", "pandas", "matplotlib", "tensorboard", "joblib", "optuna", *unused}


BROKEN = """
import sys
from pathlib import Path
from artbp_exp import registry
import artbp_exp.tasks
folder = Path(sys.argv.pop(1))
artbp_exp.tasks.__path__.append(str(folder))
usual = registry.names
registry.names = lambda group: usual(group) + ["broken"] * (group == "task")
from artbp_exp.cli.run import main
main()
"""


def test_a_broken_plug_in_breaks_no_other_run(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('this plug-in is broken')\n")
    done = forked(BROKEN, str(tmp_path), "task.steps=50", "run_dir=run", folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_tilde_is_the_home_folder_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    (home / "corpus").mkdir(parents=True)
    here.mkdir()
    for part in ("train", "valid", "test"):
        (home / "corpus" / f"{part}.txt").write_text("abcd" * 50)
    small = ["task=ptb", "task.corpus=own", "task.data_dir=~/corpus", "task.batch_size=2", "task.epochs=1"]
    small += ["model.hidden_size=3", "method.length=10"]
    monkeypatch.setenv("HOME", str(home))
    for name, *arguments in (
        ["run", *small, "run_dir=~/run"],
        ["run", *small, "results_dir=~/runs"],
        ["collect", "~/run", "--out=~/table.csv"],
        ["verify", *small, "verify.steps=3", "verify.draws=0", "verify.csv=~/verify.csv"],
        ["figures", "curves", "--results=~/run", "--out=~/figures"],
    ):
        done = artbp(name, *arguments, folder=here)
        assert done.returncode == 0, done.stderr
        assert not list(here.iterdir()), name
    assert {"run", "runs", "table.csv", "verify.csv", "figures"} <= {path.name for path in home.iterdir()}
