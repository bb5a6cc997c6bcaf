"""Overrides nobody should write: still a mistake of the user's, never a traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from artbp_exp.errors import UserError
from artbp_exp.run_config import RunConfig
from artbp_exp.runs.identity import run_folder
from artbp_exp.training.experiment import Experiment
from tests.forked import artbp

Configure = Callable[..., RunConfig]


@pytest.mark.parametrize(
    "odd",
    [
        *("~method", "~task", "~model", "~optimizer", "~seed", "~engine", "~method.name", "~method.length"),
        *("run_dir=5", "results_dir=5", "results_dir=null", "method.name=null", "method.name=[1]", "method.name=bptt"),
        *("method.length=null", "method.length=[1,2]", "method.length='???'", "method.length=1e400", "device=null"),
        *("engine=1", "threads=0", "task.steps=inf", "task.suggest=null", "optimizer.decay=null", "model.theta=null"),
        "task=ptb task.data_dir=5",
    ],
)
def test_is_refused(configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str) -> None:
    monkeypatch.chdir(tmp_path)

    def begin() -> None:
        settings = configure(*odd.split())
        assert run_folder(settings)
        Experiment(settings)

    with pytest.raises((UserError, HydraException, OmegaConfBaseException)):
        begin()


@pytest.mark.parametrize("odd", ["method=null", "task=null", "method=5"])
def test_a_group_that_is_no_name_ends_the_program_with_2(tmp_path: Path, odd: str) -> None:
    done = artbp("run", odd, folder=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_quotes_may_have_any_name(tmp_path: Path) -> None:
    done = artbp("run", "task.steps=10", 'run_dir="ü = é,1"', folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ü = é,1" / "summary.json").is_file()


def test_a_folder_name_that_no_file_system_takes_ends_the_program_with_2(tmp_path: Path) -> None:
    done = artbp("run", "task.steps=10", f"run_dir={'x' * 300}", folder=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "File name too long" in line


def test_a_value_that_looks_like_a_setting_does_not_share_a_folder_with_it(configure: Configure) -> None:
    one = configure("task=ptb", "task.data_dir=a", "task.epochs=3")
    other = configure("task=ptb", "task.data_dir='a-task.epochs=3'")
    assert run_folder(one) != run_folder(other)
