"""A run is diagnosed on its own model, task and data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from artbp_exp.diagnosis.of_run import of_run

Compose = Callable[..., dict[str, Any]]


@pytest.fixture
def folder(compose: Compose, tmp_path: Path) -> Path:
    config = compose("task=ptb", "task.data_dir=of_the_run", "model.hidden_size=7", "method=artbp", "method.length=13")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (tmp_path / "model.pt").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("overrides", "data"),
    [([], "of_the_run"), (["task=ptb"], "of_the_run"), (["task=ptb", "task.data_dir=moved"], "moved")],
)
def test_the_data_of_the_run_are_read_unless_others_are_named(
    compose: Compose, folder: Path, overrides: list[str], data: str
) -> None:
    found = of_run(compose(*overrides), {"run": str(folder)})
    assert found["task"]["name"] == "ptb"
    assert found["task"]["data_dir"] == data
    assert found["model"]["hidden_size"] == 7
    assert found["run_method"] == {"method": "artbp", "length": 13, "schedule": "paper", "alpha": 4, "reweight": True}


def test_without_a_run_the_configured_method_counts(compose: Compose) -> None:
    found = of_run(compose("method=tbptt", "method.length=30"), {"run": None})
    assert found["run_method"] == {"method": "tbptt", "length": 30, "schedule": None, "alpha": None, "reweight": True}
    constant = of_run(compose("method=artbp", "method.schedule=constant"), {"run": None})
    assert constant["run_method"]["alpha"] is None
