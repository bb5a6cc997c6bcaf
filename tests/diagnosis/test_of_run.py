"""A run is diagnosed on its own model, task and data."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from artbp_exp.diagnosis.run.checkpoint import of_run
from artbp_exp.diagnosis.run.diagnose import diagnose, run_facts
from artbp_exp.errors import UserError
from artbp_exp.registry import directory
from artbp_exp.run_config import RunConfig

Configure = Callable[..., RunConfig]


@pytest.fixture
def folder(configure: Configure, tmp_path: Path) -> Path:
    config = configure(
        "task=ptb",
        "task.data_dir=of_the_run",
        "model.hidden_size=7",
        "method=artbp",
        "method.length=13",
        "method.every=4",
    )
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config.plain()), encoding="utf-8")
    (tmp_path / "model.pt").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("overrides", "data"),
    [([], "of_the_run"), (["task=ptb"], "of_the_run"), (["task=ptb", "task.data_dir=moved"], "moved")],
)
def test_the_data_of_the_run_are_read_unless_others_are_named(
    configure: Configure, folder: Path, overrides: list[str], data: str
) -> None:
    found, method = of_run(configure(*overrides), {"run": str(folder)})
    assert found.task.name == "ptb"
    assert found.task["data_dir"] == data
    assert found.model["hidden_size"] == 7
    assert run_facts(method) == {
        "run_method": "artbp", "run_length": 13, "run_schedule": "paper", "run_alpha": 4, "run_reweight": True,
        "run_every": 4,
    }  # fmt: skip


def test_without_a_run_the_configured_method_counts(configure: Configure) -> None:
    _, method = of_run(configure("method=tbptt", "method.length=30"), {"run": None})
    assert run_facts(method) == {
        "run_method": "tbptt", "run_length": 30, "run_schedule": None, "run_alpha": None, "run_reweight": True,
        "run_every": 1,
    }  # fmt: skip
    _, constant = of_run(configure("method=artbp", "method.schedule=constant"), {"run": None})
    assert run_facts(constant)["run_alpha"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is not the configuration of a run: it has no 'task:' with a name"),
        (b"{", "cannot be read as plain YAML"),
        (b"\xff", "cannot be read as plain YAML"),
        (b"task: 2020-99-99", "cannot be read as plain YAML"),
        (b"- task", "it has no 'task:' with a name"),
        (b"task: {name: ptb}\noptimizer: {name: adam}\nmethod: {name: bptt}\n", "it has no 'model:' with a name"),
        (b"task: {name: ptb}\nmodel: lstm\n", "it has no 'model:' with a name"),
        (
            b"task: {name: ptb}\nmodel: {name: lstm}\noptimizer: {name: adam}\nmethod: {name: tbptt, length: long}\n",
            "method.length must be a whole number ≥ 1; got 'long'",
        ),
    ],
)
def test_a_configuration_that_is_none_is_one_line(configure: Configure, folder: Path, text: bytes, said: str) -> None:
    (folder / "config.yaml").write_bytes(text)
    with pytest.raises(UserError) as caught:
        of_run(configure(), {"run": str(folder)})
    assert str(caught.value).startswith(f"{folder}/config.yaml")
    assert said in str(caught.value)
    assert str(caught.value).endswith("or do this one again with artbp-run")
    assert "\n" not in str(caught.value)


def test_a_method_that_is_no_scheme_is_diagnosed(configure: Configure, tmp_path: Path) -> None:
    own = yaml.safe_load((directory() / "diagnose.yaml").read_text(encoding="utf-8"))["diagnose"]
    few = {"steps": 24, "lags": 8, "losses": 2, "draws": 3, "starts": 4, "warm_up": 0, "alphas": [], "lengths": []}
    config = configure("task=synthetic", "method=tprop", "method.length=10")
    diagnose(config, own | few | {"truncated_lengths": [5]}, out=tmp_path, command="artbp-diagnose …")
    assert list(pd.read_csv(tmp_path / "methods.csv")["method"]) == ["tbptt", "tbptt", "tprop"]
