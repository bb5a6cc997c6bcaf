"""Names of run folders: two configurations never share one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from artbp_exp.cli.config import directory
from artbp_exp.errors import UserError
from artbp_exp.run_config import RunConfig
from artbp_exp.runs.identity import identity, run_folder

Configure = Callable[..., RunConfig]

CHANGES = [
    *("method.length=5", "method.length=5.5", "method.alpha=4", "method.alpha=40", "method.schedule=constant"),
    *("method.reweight=false", "method=tbptt", "method=tbptt method.length=16", "method=tbptt method.length=5"),
    *("method=bptt", "seed=1", "optimizer.lr=1e-3", "optimizer.lr=1e-30", "optimizer.decay=none", "optimizer=adam"),
    *("optimizer.clip=1", "task.steps=10", "task.size=24", "task.positive=9", "task.divergence=10", "engine=plain"),
    *("model.theta=0.25", "model.theta=-0.25", "task=ptb", "task=ptb model.hidden_size=256", "task=ptb model=gru"),
    *("task=ptb model=rnn", "task=ptb task.corpus=char", "task=ptb task.corpus=own", "task=ptb task.carry_state=false"),
    *("task=ptb task.data_dir=a/b", "task=ptb task.data_dir=a_b"),
    *(f"task=ptb task.data_dir={'x' * 200}{end}" for end in "ab"),
]


def test_different_configurations_have_different_folders(configure: Configure) -> None:
    folders = {change: run_folder(configure(*change.split())) for change in ["seed=0", *CHANGES]}
    assert len(set(folders.values())) == len(folders)
    assert all(len(part) < 250 for folder in folders.values() for part in folder.parts)


def test_a_name_a_folder_cannot_have_is_told_apart(configure: Configure) -> None:
    plain = configure("task=ptb")
    blank = replace(plain, task=plain.task.but(data_dir="a b"))
    under = configure("task=ptb", "task.data_dir=a_b")
    slash = configure("task=ptb", "task.data_dir=a/b")
    assert len({run_folder(s) for s in (blank, under, slash)}) == 3
    assert all(len(run_folder(s).parts) == 5 for s in (blank, under, slash))


@pytest.mark.parametrize("how", ["device=cpu", "threads=1", "overwrite=true"])
def test_how_it_is_run_makes_no_other_folder(configure: Configure, how: str) -> None:
    assert run_folder(configure(how)) == run_folder(configure())
    assert identity(configure(how)) == identity(configure())


def test_the_name_says_method_length_and_what_differs(configure: Configure) -> None:
    assert run_folder(configure()) == Path("results/runs/synthetic/artbp-length=16/seed0")
    named = run_folder(configure("method=tbptt", "method.length=10", "optimizer.lr=0.001", "seed=7"))
    assert named == Path("results/runs/synthetic/tbptt-length=10-optimizer.lr=0.001/seed7")
    assert run_folder(configure("run_dir=here")) == Path("here")
    assert run_folder(configure("results_dir=there")).parts[0] == "there"


def test_suggestions_are_no_settings_of_a_run(configure: Configure) -> None:
    flat = identity(configure())
    assert not any("suggest" in key for key in flat)
    assert flat["method.length"] == 16
    assert "results_dir" not in flat


def test_a_task_of_few_numbers_stays_on_the_cpu_unless_told_otherwise(configure: Configure) -> None:
    """On a machine with a GPU the closed form, which has no CUDA path, gave way to the plain engine without a word."""
    found = {task: configure(f"task={task}").device for task in ("synthetic", "recall", "ptb")}
    assert found == {"synthetic": "cpu", "recall": "cpu", "ptb": "auto"}
    assert configure("device=cuda").device == "cuda"


@pytest.mark.parametrize("seed", ["-1", "0.5", "abc", "null", "true"])
def test_a_seed_that_is_none_is_refused(configure: Configure, seed: str) -> None:
    with pytest.raises(UserError, match="seed must be a whole number ≥ 0"):
        configure(f"seed={seed}")


@pytest.mark.parametrize("wrong", ["device=tpu", "threads=-3", "threads=two", "threads=1000000"])
def test_how_it_is_run_is_checked_even_where_nothing_is_left_to_run(configure: Configure, wrong: str) -> None:
    """It is no part of the identity: a finished run's folder answered any such value with 'already finished'."""
    with pytest.raises(UserError, match=wrong.partition("=")[0]):
        configure(wrong)


def test_a_key_that_is_no_setting_is_refused(configure: Configure) -> None:
    with pytest.raises(UserError, match="sed is not a setting; did you mean seed"):
        configure("+sed=3")


def test_the_yaml_files_are_there() -> None:
    assert (Path(directory()) / "config.yaml").is_file()


@pytest.mark.parametrize(("task", "model"), [("synthetic", "linear"), ("ptb", "lstm")])
def test_a_task_brings_its_model_unless_another_is_named(configure: Configure, task: str, model: str) -> None:
    assert configure(f"task={task}").model.name == model
    assert configure("task=ptb", "model=gru").model.name == "gru"
