"""The figures of the phase diagrams, of Penn Treebank against the authors' logs, and of the paired seeds."""

import importlib.util
from itertools import product
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from artbp_exp.evidence import authors
from artbp_exp.evidence.authors_setting.figure import ptb_paper
from artbp_exp.evidence.authors_setting.runs import ARMS, Setting
from artbp_exp.evidence.claims.lengths import working
from artbp_exp.evidence.claims.ptb.measured import Lead
from artbp_exp.evidence.figures.common import save
from artbp_exp.evidence.figures.paired_seeds import paired_seeds
from artbp_exp.evidence.figures.phase_diagram import phase_diagram
from artbp_exp.evidence.figures.phase_sizes import least_length, phase_sizes
from artbp_exp.evidence.figures.ptb_evidence import ptb_evidence
from artbp_exp.evidence.optimum import reached_cells
from artbp_exp.evidence.statistics import bare
from artbp_exp.runs.load import Run
from tests.conftest import ROOT


@pytest.fixture
def cells() -> pd.DataFrame:
    """Two sizes; ARTBP reaches θ* from length 8 on, truncated BPTT from 32 on and diverges at 4, raw cuts never do."""
    rows = []
    arms = [("tbptt", True), ("artbp", True), ("artbp", False)]
    for (method, reweight), size, length, lr, seed in product(arms, (7, 23), (4, 8, 32), (1e-4, 1e-3), (0, 1)):
        least = 32 if method == "tbptt" else 8 if reweight else 99
        near = length >= least and lr == 1e-3
        rows.append(
            {
                "method": method,
                "reweight": reweight,
                "size": size,
                "length": length,
                "lr": lr,
                "seed": seed,
                "status": "diverged" if length == 4 and method == "tbptt" else "finished",
                "loss": 1e-20 if near else 5.0,
                "theta": -1 / 6 + (1e-9 if near else 1.0),
                "theta_optimal": -1 / 6,
            }
        )
    return pd.DataFrame(rows)


def test_the_least_length_that_works(cells: pd.DataFrame) -> None:
    found = working(cells[cells["reweight"]])
    assert least_length(found, "tbptt").to_dict() == {7: 32, 23: 32}
    assert least_length(found, "artbp").to_dict() == {7: 8, 23: 8}


def test_a_diverged_run_has_not_reached_anything(cells: pd.DataFrame) -> None:
    diverged = cells.assign(status="diverged", theta=cells["theta_optimal"])
    assert not reached_cells(diverged).any()


def test_one_seed_that_fails_spoils_a_length(cells: pd.DataFrame) -> None:
    spoiled = (cells["method"] == "artbp") & (cells["seed"] == 1) & (cells["length"] == 8)
    cells.loc[spoiled, "theta"] = 9.0
    assert least_length(working(cells[cells["reweight"]]), "artbp").to_dict() == {7: 32, 23: 32}


def test_they_are_drawn_alike_twice(cells: pd.DataFrame, tmp_path: Path) -> None:
    signs = pd.DataFrame({"size": [7, 23], "positive": [3, 10], "sign_length": [30, 110]})
    logs = authors.logs(ROOT / "results")
    lead = Lead(carried=True, method="tbptt", lead=bare([0.1, 0.2]), repeated=(0.0,))
    draw = {
        "phase_diagram": lambda: phase_diagram(cells[cells["size"] == 23]),
        "phase_sizes": lambda: phase_sizes(cells[cells["reweight"]], signs),
        "ptb_evidence": lambda: ptb_evidence({}, logs),
        "paired_seeds": lambda: paired_seeds([lead]),
        "ptb_paper": lambda: ptb_paper(Setting.of(ROOT / "results")),
    }
    for name, make in draw.items():
        first, again = save(make(), tmp_path / name), save(make(), tmp_path / f"{name}_again")
        assert first[0].stat().st_size > 5000
        assert first[0].read_bytes() == again[0].read_bytes()


def test_the_leads_of_a_state_stand_side_by_side() -> None:
    rows = [(True, "tbptt"), (True, "random"), (False, "tbptt")]
    (axes,) = paired_seeds([Lead(carried=c, method=m, lead=bare([0.1])) for c, m in rows]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["state carried", "state reset at cuts"]
    heights = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o" and len(line.get_ydata())]
    assert [round(y) for y in heights] == [0, 0, 1]
    assert heights[0] != heights[1]


def begun(path: Path, valid: list[float]) -> Run:
    """A run of as many epochs as there are levels."""
    path.mkdir()
    rows = [f"{epoch},{10 * epoch},{bpc}" for epoch, bpc in enumerate(valid, 1)]
    (path / "metrics.csv").write_text("\n".join(["epoch,step,valid_bpc", *rows, f"{len(valid) + 1},99,"]))
    return Run(path=path, config={}, summary={})


def test_a_lead_is_drawn_as_far_as_both_runs_of_a_seed_have_come(tmp_path: Path) -> None:
    own, others = begun(tmp_path / "a", [2.0, 1.7, 1.5]), begun(tmp_path / "b", [1.9, 1.8])
    arms = {("artbp", True): {3: own}, ("tbptt", True): {3: others, 4: own}}
    figure = ptb_evidence(arms, authors.logs(tmp_path))
    above, below = figure.axes  # a panel for the state carried, and none for what was not run
    assert above.get_title() == "LSTM, 256 units\nstate carried"
    (line,) = [line for line in below.lines if line.get_marker() == "."]
    assert list(line.get_xdata()) == [1, 2]
    assert line.get_ydata() == pytest.approx([-0.1, 0.1])


def test_every_arm_in_the_authors_setting_is_named() -> None:
    (axes,) = ptb_paper(Setting.of(ROOT / "results")).axes
    assert {text.get_text() for text in axes.get_legend().get_texts()} == set(ARMS.values())


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_mean_sensitivity_of_the_papers_case_has_the_wrong_sign_up_to_109_steps() -> None:
    assert script("collect_phase").sign_length(23, 10) == 110


def test_runs_collected_later_join_those_that_are_there_and_replace_their_own_setting(tmp_path: Path) -> None:
    collect = script("collect_phase")
    committed = ROOT / "results" / "phase_sizes" / "cells.csv"
    known = pd.read_csv(committed)
    table = collect.together(known.iloc[::-1], committed)
    table.to_csv(tmp_path / "cells.csv", index=False)
    assert (tmp_path / "cells.csv").read_bytes() == committed.read_bytes()

    again = known.tail(1).assign(loss=0.25)
    elsewhere = known.tail(1).assign(size=5, positive=2, alpha=None)
    table = collect.together(pd.concat([again, elsewhere]), committed)
    assert len(table) == len(known) + 1
    assert table["size"].iloc[0] == 5
    assert table["loss"].iloc[-1] == 0.25
