from pathlib import Path

import pytest

from artbp_exp.errors import UserError
from artbp_exp.runs.load import has_result, load_all, load_runs
from tests.runs.test_folder import COLUMNS, complete, make


def test_runs_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b", "a/y", "a/x"):
        complete(tmp_path / name)
    assert [run.path.relative_to(tmp_path).as_posix() for run in load_runs(tmp_path)] == ["a/x", "a/y", "b"]


def test_runs_without_a_result_are_left_out(tmp_path: Path) -> None:
    complete(tmp_path / "done")
    make(tmp_path / "begun").open(COLUMNS, {})
    complete(tmp_path / "broken")
    (tmp_path / "broken" / "summary.json").write_text("{")
    complete(tmp_path / "headless")
    (tmp_path / "headless" / "config.yaml").unlink()
    with pytest.warns(UserWarning, match=r"broken/summary.json is broken: its run counts as one without a result"):
        runs = load_runs(tmp_path)
    assert [run.path.name for run in runs] == ["done"]


@pytest.mark.parametrize("text", ['{"status":', "[1]", ""])
def test_a_broken_summary_is_never_passed_over_without_a_word(text: str, tmp_path: Path) -> None:
    complete(tmp_path / "done")
    (tmp_path / "done" / "summary.json").write_text(text)
    with pytest.warns(UserWarning, match=r"done/summary.json is broken"):
        assert not has_result(load_all(tmp_path)[0])


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("config.yaml", "method: 3\n", r"config.yaml has method: 3, which is not a group of settings"),
        ("config.yaml", "seed: x\n", r"config.yaml has seed: 'x', which is not a number"),
        ("config.yaml", "task: {name: [1]}\n", r"config.yaml has task.name: \[1\], which is not a name"),
        ("summary.json", '{"status": "finished", "loss": "x"}', r"summary.json has loss: 'x', which is not a number"),
    ],
)
def test_a_value_of_the_wrong_kind_is_one_line(file: str, text: str, said: str, tmp_path: Path) -> None:
    complete(tmp_path / "done")
    (tmp_path / "done" / file).write_text(text)
    with pytest.raises(UserError, match=said):
        load_all(tmp_path)


def test_what_is_not_there_is_said_with_its_file(tmp_path: Path) -> None:
    complete(tmp_path / "done")
    (run,) = load_runs(tmp_path)
    with pytest.raises(UserError, match=r"done/config.yaml has no method.alpha; restore it"):
        run.config["method"]["alpha"]
    with pytest.raises(UserError, match=r"done/summary.json has no theta; "):
        run.summary["theta"]
    with pytest.raises(UserError, match=r"done/metrics.csv has no column epoch"):
        run.at_epochs("loss")
    assert run.config["method"].get("alpha") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("length,count\na,b\n", r"segments.csv has 'a' in its column length, which is not a number"),
        ("length,count\n3,\n", r"segments.csv lacks lengths or counts"),
        ("length,count\n", r"segments.csv lacks lengths or counts"),
        ("a,b\n", r"segments.csv has no column length, count"),
    ],
)
def test_damaged_segments_are_one_line(text: str, said: str, tmp_path: Path) -> None:
    complete(tmp_path / "done")
    (tmp_path / "done" / "segments.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        load_runs(tmp_path)[0].segments()


def test_numbers_that_are_not_finite_are_numbers(tmp_path: Path) -> None:
    complete(tmp_path / "done")
    metrics = tmp_path / "done" / "metrics.csv"
    metrics.write_text("step,loss,theta\n1,inf,\n2,nan,-inf\n")
    assert len(load_runs(tmp_path)[0].metrics("step", "loss", "theta")) == 2
    metrics.write_text("step,loss,theta\n1,lost,\n")
    with pytest.raises(UserError, match=r"metrics.csv has 'lost' in its column loss"):
        load_runs(tmp_path)[0].metrics("step", "loss")


def test_nothing_there_is_no_run(tmp_path: Path) -> None:
    assert load_runs(tmp_path) == []
    assert load_runs(tmp_path / "nowhere") == []
