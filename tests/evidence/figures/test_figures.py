"""Figures from records: drawn from CSVs of real (short) runs, without torch."""

import numpy as np
import pytest

from artbp_exp.cli.figures import EVIDENCE, draw
from artbp_exp.cli.job import run
from artbp_exp.errors import UserError
from artbp_exp.evidence.figures.common import COLORS, spread
from artbp_exp.evidence.figures.segment_lengths import independent, sum_of_counts
from artbp_exp.run_config import RunConfig
from artbp_exp.runs.load import load_runs
from tests.conftest import ROOT


def settings(folder, method, seed, **task):
    return {
        "seed": seed,
        "engine": "auto",
        "precision": "auto",
        "device": "cpu",
        "threads": 1,
        "run_dir": str(folder / f"{method['name']}{method.get('length')}-{seed}"),
        "results_dir": "unused",
        "overwrite": False,
        "task": {"name": "synthetic", "steps": 3000, **task},
        "model": {"name": "linear", "theta": 0.5},
        "method": method,
        "optimizer": {"name": "sgd", "lr": 3e-4},
        "checkpoint": {"minutes": None},
        "logger": {"name": "none"},
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory, own_corpus):
    """A results folder with short runs of every experiment that a figure reads."""
    root = tmp_path_factory.mktemp("results")
    artbp = {"name": "artbp", "length": 16, "alpha": 6, "schedule": "paper"}
    for below in ("influence_balancing", "learning_rates"):
        for seed in (0, 1):
            run(RunConfig.of(settings(root / below, artbp, seed)), command="test")
        diverging = settings(root / below, {"name": "tbptt", "length": 10}, 0, divergence=20)
        run(RunConfig.of(diverging), command="test")
    for method in ({**artbp, "length": 20}, {"name": "tbptt", "length": 20}):
        characters = settings(root / "ptb_tier1", method, 0)
        characters["task"] = {"name": "ptb", "corpus": "own", "data_dir": str(own_corpus), "epochs": 2}
        characters["model"] = {"name": "lstm", "hidden_size": 4}
        characters["optimizer"] = {"name": "adam", "lr": 1e-2}
        run(RunConfig.of(characters), command="test")
    return root


FROM_RUNS = ["influence_balancing", "learning_rates", "segment_lengths"]


def test_every_figure_of_runs_is_drawn_and_drawn_alike_again(results, tmp_path):
    written = draw(results, tmp_path / "a", FROM_RUNS)
    assert {path.name for path in written} == {f"{name}{end}" for name in FROM_RUNS for end in (".png", ".pdf")}
    assert all(path.stat().st_size > 5000 for path in written)
    for first, again in zip(written, draw(results, tmp_path / "b", FROM_RUNS), strict=True):
        assert first.read_bytes() == again.read_bytes()


def test_every_committed_figure_is_one_that_the_command_knows_and_what_is_missing_is_named(results, tmp_path, capsys):
    assert {f"figures/{path.stem}" for path in (ROOT / "results" / "figures").iterdir()} <= {
        picture.file for picture, _ in EVIDENCE.values() if picture.file.startswith("figures/")
    }
    draw(results, tmp_path, list(EVIDENCE))
    assert "phase_sizes: nothing to draw it from in" in capsys.readouterr().out


def test_spread_is_median_and_range_and_stops_where_a_run_diverged(results):
    runs = load_runs(results / "influence_balancing")
    artbp = [r for r in runs if r.summary["method"] == "artbp"]
    median, least, greatest = spread(artbp, "theta", np.array([3000.0]))
    final = [r.summary["theta"] for r in artbp]
    assert (median[0], least[0], greatest[0]) == (np.median(final), min(final), max(final))
    (tbptt,) = [r for r in runs if r.summary["method"] == "tbptt"]
    assert tbptt.summary["status"] == "diverged"
    assert np.isnan(spread([tbptt], "loss", np.array([3000.0]))[0]).all()


def test_a_seed_counts_once_however_often_it_was_run(results):
    runs = [r for f in ("influence_balancing", "learning_rates") for r in load_runs(results / f)]
    runs = [r for r in runs if r.summary["method"] == "artbp"]
    assert sorted(r.config["seed"] for r in runs) == [0, 0, 1, 1]
    assert sorted(r.config["seed"] for r in independent(runs)) == [0, 1]


def test_segment_counts_add_up(results):
    runs = [r for r in load_runs(results / "influence_balancing") if r.summary["method"] == "artbp"]
    counts = sum_of_counts(runs)
    assert counts @ np.arange(counts.size) == 2 * 3000


def test_nothing_to_draw_is_said(tmp_path):
    with pytest.raises(UserError, match="holds nothing of this repository's evidence to draw influence_balancing from"):
        draw(tmp_path, tmp_path / "out", ["influence_balancing"])


def test_a_methods_colour_is_named_in_one_place():
    folder = ROOT / "artbp_exp" / "evidence" / "figures"
    for path in folder.glob("*.py"):
        if path.name not in ("common.py", "curves.py"):  # curves have a palette for settings that are no method's
            assert not [color for color in COLORS.values() if color != "#000000" and color in path.read_text()], path
