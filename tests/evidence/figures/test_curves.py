"""Any runs at all as curves: which settings are told apart, and how many lines there may be."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from artbp_exp.cli.figures import draw, draw_curves, main
from artbp_exp.errors import UserError
from artbp_exp.evidence.figures.common import COLORS, shade
from artbp_exp.evidence.figures.curves import MOST, Line, curves, lines
from artbp_exp.runs.load import load_runs


def run(root: Path, method: dict[str, Any], seed: int, *, task: str = "synthetic", status: str = "finished") -> None:
    """A run folder of four rows; a diverged one has its last loss at 10¹⁷."""
    folder = root / "-".join([task, *map(str, method.values()), str(seed)])
    folder.mkdir(parents=True)
    config = {"task": {"name": task}, "method": method, "model": {"name": "linear"}, "seed": seed, "threads": seed}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    levels = {"chance": 0.7, "floor": 0.0} if task == "recall" else {}
    (folder / "summary.json").write_text(json.dumps({"status": status, **levels}))
    rows = [f"{10 * 2**k},{(1 + seed) / 2**k if status == 'finished' or k < 3 else 1e17}" for k in range(4)]
    if task == "ptb":
        rows = [f"{row},{1 + k // 2},{2.0 - 0.1 * k + seed if k % 2 else ''}" for k, row in enumerate(rows)]
    if task == "recall":
        rows = [f"{row},{0.1 * (4 - k) + seed * 0.1 - 0.1:.2f}" for k, row in enumerate(rows)]
    header = {"ptb": "step,loss,epoch,valid_bpc", "recall": "step,loss,valid_loss"}.get(task, "step,loss")
    (folder / "metrics.csv").write_text("\n".join([header, *rows, ""]))


ARTBP = {"name": "artbp", "length": 16, "alpha": 6}
TBPTT = {"name": "tbptt", "length": 100}


def grouped(root: Path) -> list[Line]:
    return lines(load_runs(root))


def test_a_line_for_each_setting_that_differs_seeds_together(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        run(tmp_path, ARTBP, seed)
        run(tmp_path, TBPTT, seed)
        run(tmp_path, TBPTT | {"length": 9}, seed)
    found = grouped(tmp_path)
    # α is only ARTBP's, and the same in all of it; the number of threads computes nothing else
    assert [line.chosen for line in found] == [
        "method=artbp, length=16",
        "method=tbptt, length=9",
        "method=tbptt, length=100",
    ]
    assert [len(line.runs) for line in found] == [3, 3, 3]


def test_median_range_and_a_cross_where_a_run_diverged(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        run(tmp_path, ARTBP, seed, status="diverged" if seed == 2 else "finished")
    (axes,) = curves({"synthetic": grouped(tmp_path)}).axes
    median, cross = axes.lines
    assert median.get_ydata()[0] == 2.0  # of 1, 2, 3
    assert (cross.get_marker(), list(cross.get_xdata()), list(cross.get_ydata())) == ("x", [80], [1e17])
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_held_out_losses_are_drawn_between_chance_and_floor(tmp_path: Path) -> None:
    for seed in (0, 1):
        run(tmp_path, ARTBP, seed, task="recall")
    (axes,) = curves({"recall": grouped(tmp_path)}).axes
    chance, floor = (line for line in axes.lines if len(line.get_xdata()) == 2)
    assert (chance.get_ydata()[0], floor.get_ydata()[0]) == (0.7, 0.0)
    assert {text.get_text() for text in axes.texts} == {"chance", "floor"}
    assert axes.lines[0].get_ydata()[-1] == pytest.approx(0.05)
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "linear")


def test_runs_with_epochs_are_drawn_against_them_on_a_panel_of_their_own(tmp_path: Path) -> None:
    run(tmp_path, ARTBP, 0)
    for seed in (0, 1):
        run(tmp_path, TBPTT, seed, task="ptb")
    written = draw_curves(tmp_path, tmp_path / "out")
    assert [path.name for path in written] == ["curves.png", "curves.pdf"]
    runs = [each for each in load_runs(tmp_path) if each.config["task"]["name"] == "ptb"]
    (axes,) = curves({"ptb": lines(runs)}).axes
    assert list(axes.lines[0].get_xdata()) == [1, 2]
    assert list(axes.lines[0].get_ydata()) == pytest.approx([2.4, 2.2])
    assert axes.get_legend().get_texts()[0].get_text() == "method=tbptt (2 seeds)"


def test_more_settings_than_can_be_told_apart_are_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for length in range(1, MOST + 3):
        run(tmp_path, TBPTT | {"length": length}, 0)
    (axes,) = curves({"synthetic": grouped(tmp_path)}).axes
    assert len(axes.lines) == MOST
    assert f"the first {MOST} of {MOST + 2} settings" in axes.get_title()
    draw_curves(tmp_path, tmp_path / "out")
    assert f"{MOST + 2} settings, of which the first {MOST} are drawn" in capsys.readouterr().out


def test_a_folder_of_ones_own_runs_is_told_of_curves(tmp_path: Path) -> None:
    run(tmp_path, TBPTT, 0)
    with pytest.raises(UserError, match=r"it has 1 finished runs: artbp-figures curves /"):
        draw(tmp_path, tmp_path / "out", ["phase_sizes"])


def test_runs_without_a_result_are_counted(tmp_path: Path) -> None:
    run(tmp_path, TBPTT, 0, status="interrupted")
    with pytest.raises(UserError, match=r"has a result yet \(1 begun\)"):
        draw_curves(tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["curvs"], "there is no figure and no folder curvs; did you mean curves? valid: bench/bench, "),
        (["--results", "nowhere"], "nowhere is not a folder"),
        (["curves", "nowhere"], "there is no figure and no folder nowhere; "),
        (["curves", "."], "no run below . has a result yet"),
        ([".", ".."], ". and .. are 2 folders; name one"),
        ([".", "--results", ".."], ". and --results .. are two folders; name one"),
        (["--reslts", "."], "--reslts is not an option; did you mean --results"),
    ],
)
def test_mistakes_are_a_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["artbp-figures", *arguments])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main()
    error = capsys.readouterr().err
    assert error.startswith(f"error: {said}")
    assert error.count("\n") == 1


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    run(tmp_path / "runs", {"name": "artbp"}, 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to \S+file/curves.png and .pdf: .* name another folder"):
        draw_curves(tmp_path / "runs", tmp_path / "file")


def test_one_computation_counts_once_whatever_it_is_called(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        run(tmp_path / "demo", ARTBP, seed)
    run(tmp_path / "again", ARTBP, 0)
    draw_curves(tmp_path, tmp_path / "out")
    assert capsys.readouterr().out.startswith("curves: 2 runs, 1 more that repeat one of them → ")


def test_a_method_has_the_colour_that_it_has_everywhere(tmp_path: Path) -> None:
    run(tmp_path, ARTBP | {"reweight": True}, 0)
    run(tmp_path, {"name": "tbptt", "length": 16}, 0)
    (axes,) = curves({"synthetic": grouped(tmp_path)}).axes
    assert [line.get_color() for line in axes.lines] == [COLORS["artbp"], COLORS["tbptt"]]
    run(tmp_path, {"name": "tbptt", "length": 100}, 0)
    run(tmp_path, ARTBP | {"reweight": False}, 0)
    (axes,) = curves({"synthetic": grouped(tmp_path)}).axes
    drawn = [line.get_color() for line in axes.lines]
    assert drawn[:2] in ([COLORS["artbp"], COLORS["random"]], [COLORS["random"], COLORS["artbp"]])
    assert drawn[2:] == [shade(COLORS["tbptt"], index, 2) for index in (0, 1)]
