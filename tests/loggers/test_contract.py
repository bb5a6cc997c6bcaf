"""What holds for every tracker, and that a new one is one file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import artbp_exp.loggers
from artbp_exp import registry
from artbp_exp.cli.job import run
from artbp_exp.run_config import Choice, RunConfig

MEMORY = '''
SEEN = []

class Memory:
    def start(self, config): SEEN.append(("start", config["seed"]))
    def row(self, row): SEEN.append(("row", row["step"]))
    def close(self, summary): SEEN.append(("close", summary["status"]))

def build(*, folder):
    """Keeps everything in a list."""
    return Memory()
'''


@pytest.mark.parametrize("name", registry.names("logger"))
def test_every_logger_takes_a_run(name: str, tmp_path: Path) -> None:
    if name != "none":
        pytest.importorskip(name)
    logger = registry.build("logger", {"name": name}, folder=tmp_path)
    logger.start({"seed": 0, "task": {"name": "synthetic", "data_dir": None}})
    logger.row({"step": 1, "loss": 0.5, "valid_bpc": None, "grad": float("nan")})
    logger.row({"step": 2, "loss": float("inf"), "valid_bpc": 1.0, "grad": 1})
    logger.close({"status": "diverged", "loss": float("inf"), "valid_bpc": None, "git_dirty": True, "versions": {}})


def test_another_tracker_is_one_file_and_one_yaml(
    configure: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.py").write_text(MEMORY, encoding="utf-8")
    monkeypatch.setattr(artbp_exp.loggers, "__path__", [*artbp_exp.loggers.__path__, str(tmp_path)])
    usual = registry.names
    monkeypatch.setattr(registry, "names", lambda group: ["memory"] if group == "logger" else usual(group))
    config = configure("task.steps=30", f"run_dir={tmp_path}/run")
    run(replace(config, logger=Choice({"name": "memory"})), command="")
    seen = registry.builder("logger", "memory").__globals__["SEEN"]
    assert seen[0] == ("start", 0)
    assert seen[-1] == ("close", "finished")
    steps = [step for what, step in seen[1:-1] if what == "row"]
    assert len(steps) == len(seen) - 2
    assert steps == sorted(steps)
    assert steps[-1] == 30
