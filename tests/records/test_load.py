from pathlib import Path

from artbp_exp.records.load import load_runs
from tests.records.test_folder import COLUMNS, complete, make


def test_runs_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b", "a/y", "a/x"):
        complete(tmp_path / name)
    assert [run.path.relative_to(tmp_path).as_posix() for run in load_runs(tmp_path)] == ["a/x", "a/y", "b"]


def test_runs_without_a_result_are_left_out(tmp_path: Path) -> None:
    complete(tmp_path / "done")
    make(tmp_path / "begun").open(COLUMNS)
    complete(tmp_path / "broken")
    (tmp_path / "broken" / "summary.json").write_text("{")
    complete(tmp_path / "headless")
    (tmp_path / "headless" / "config.yaml").unlink()
    assert [run.path.name for run in load_runs(tmp_path)] == ["done"]


def test_nothing_there_is_no_run(tmp_path: Path) -> None:
    assert load_runs(tmp_path) == []
    assert load_runs(tmp_path / "nowhere") == []
