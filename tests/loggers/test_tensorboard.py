"""TensorBoard's event files, read back by TensorBoard itself."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from artbp_exp import registry
from artbp_exp.cli.job import run
from artbp_exp.errors import UserError
from artbp_exp.loggers.tensorboard import TensorBoardLogger
from artbp_exp.run_config import RunConfig

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

Configure = Callable[..., RunConfig]
QUICK = ("task.steps=200", "task.size=4", "task.positive=1")


def events(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return found


def test_the_events_say_what_the_csv_says(configure: Configure, tmp_path: Path) -> None:
    run(configure(*QUICK, "logger=tensorboard", f"run_dir={tmp_path}/run"), command="")
    with (tmp_path / "run/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    found = events(tmp_path / "run/tensorboard")
    assert len(rows) > 5
    for column in rows[0].keys() - {"step"}:
        wanted = [(int(row["step"]), float(row[column])) for row in rows if row[column]]
        seen = [(event.step, event.value) for event in found.Scalars(column)]
        assert [step for step, _ in seen] == [step for step, _ in wanted]
        assert [value for _, value in seen] == pytest.approx([value for _, value in wanted], rel=1e-6)
    assert found.Scalars("result/theta")[0].value == pytest.approx(summary["theta"], rel=1e-6)
    assert {"config/text_summary"} <= set(found.Tags()["tensors"])
    config = found.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "name: artbp" in config
    assert "_hparams_/session_start_info" in found.summary_metadata


def test_it_is_off_by_default_and_makes_no_other_run(configure: Configure, tmp_path: Path) -> None:
    assert configure().logger.name == "none"
    run(configure(*QUICK, f"run_dir={tmp_path}/run"), command="")
    assert not (tmp_path / "run/tensorboard").exists()
    # finished already, whichever tracker is asked for: where it is shown is not what is computed
    assert run(configure(*QUICK, "logger=tensorboard", f"run_dir={tmp_path}/run"), command="")["status"] == "finished"


def test_a_run_that_goes_on_replaces_what_comes_again(tmp_path: Path) -> None:
    for steps, value in (((1, 2, 3), 1.0), ((3, 4), 2.0)):
        logger = registry.build("logger", {"name": "tensorboard"}, folder=tmp_path)
        logger.start({"seed": 0})
        for step in steps:
            logger.row({"step": step, "loss": value, "theta": None})
        logger.close({"status": "finished", "loss": value})
    seen = [(event.step, event.value) for event in events(tmp_path / "tensorboard").Scalars("loss")]
    assert seen == [(1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0)]


def test_a_run_without_rows_leaves_nothing(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path / "events")
    logger.start({})
    logger.close({"status": "finished"})
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_one_line_says_what_to_install(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UserError, match=r"pip install '\.\[tensorboard\]'"):
        run(configure(*QUICK, "logger=tensorboard", f"run_dir={tmp_path}/run"), command="")
    assert not (tmp_path / "run").exists()
