"""Training: reproducible, separate random streams, divergence as a result, golden numbers."""

import math

import pytest
import torch

from artbp_exp.experiment import Experiment

EXECUTION = {"engine": "auto", "device": "cpu", "threads": 1}


def synthetic(method, *, seed=0, lr=3e-4, steps=20_000, engine="auto"):
    return {
        **EXECUTION,
        "engine": engine,
        "seed": seed,
        "task": {"name": "synthetic", "steps": steps},
        "model": {"name": "linear"},
        "method": method,
        "optimizer": {"name": "sgd", "lr": lr},
    }


def characters(folder, method, *, seed=0, carry_state=True):
    return {
        **EXECUTION,
        "seed": seed,
        "task": {
            "name": "ptb",
            "corpus": "own",
            "data_dir": str(folder),
            "epochs": 2,
            "batch_size": 16,
            "carry_state": carry_state,
            "rows_per_epoch": 4,
        },
        "model": {"name": "lstm", "hidden_size": 12},
        "method": method,
        "optimizer": {"name": "adam", "lr": 1e-2},
    }


ARTBP = {"name": "artbp", "length": 16, "alpha": 6}


def timeless(records):
    times = ("seconds", "symbols_per_second")
    return [{k: v for k, v in r.row.items() if k not in times} | {"s": r.status, "b": r.best} for r in records]


def test_same_seed_same_numbers(made_up):
    for settings in (synthetic(ARTBP), synthetic(ARTBP, engine="plain", steps=500), characters(made_up, ARTBP)):
        first, again = (timeless(Experiment(settings).train()) for _ in range(2))
        assert first == again
    other = timeless(Experiment(characters(made_up, ARTBP, seed=1)).train())
    assert other != first


def test_methods_share_weights_but_not_cuts(made_up):
    tbptt = {"name": "tbptt", "length": 16}
    mine, other = (Experiment(characters(made_up, method)) for method in (ARTBP, tbptt))
    for a, b in zip(mine.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_rows_ascend_and_end_at_the_end(made_up):
    for settings in (synthetic(ARTBP), characters(made_up, ARTBP)):
        experiment = Experiment(settings)
        records = list(experiment.train())
        steps = [r.row["step"] for r in records]
        assert steps == sorted(set(steps))
        assert steps[-1] == experiment.task.steps * experiment.task.passes
        assert [r.status for r in records] == ["running"] * (len(records) - 1) + ["finished"]
        assert set(records[0].row) == set(experiment.task.columns)
        ticks = []
        list(Experiment(settings).train(tick=ticks.append))
        assert sum(ticks) == steps[-1]


def test_divergence_is_a_result():
    records = list(Experiment(synthetic({"name": "tbptt", "length": 10}, lr=0.05)).train())
    assert records[-1].status == "diverged"
    assert records[-1].best
    assert records[-1].row["step"] < 20_000
    assert math.isfinite(records[-1].row["theta"])


def test_best_epoch_is_the_one_kept(made_up):
    experiment = Experiment(characters(made_up, ARTBP))
    records = list(experiment.train())
    epochs = [r for r in records if r.row["valid_bpc"] is not None]
    assert len(epochs) == 2
    summary = experiment.task.summary([r.row for r in records])
    best = min(epochs, key=lambda r: r.row["valid_bpc"])
    assert best.best
    assert summary["valid_bpc"] == best.row["valid_bpc"]
    assert summary["test_bpc"] == best.row["test_bpc"]
    assert summary["best_epoch"] == best.row["epoch"]


def test_state_is_carried_or_reset(made_up):
    carried, reset = (
        timeless(Experiment(characters(made_up, ARTBP, carry_state=carry)).train())[0] for carry in (True, False)
    )
    assert carried["train_bpc"] != reset["train_bpc"]


def test_golden_numbers(made_up):
    last = list(Experiment(synthetic(ARTBP)).train())[-1].row
    assert last["theta"] == pytest.approx(GOLDEN_THETA, rel=1e-9)
    last = list(Experiment(characters(made_up, ARTBP)).train())[-1].row
    assert last["valid_bpc"] == pytest.approx(GOLDEN_BPC, rel=1e-3)


GOLDEN_THETA = -0.15546698686721175
GOLDEN_BPC = 2.305361019724456
