"""The diagnosis measures what it says: against enumeration, against the formula, against what is known."""

from typing import Any

import numpy as np
import pytest
import torch

from artbp_exp.diagnosis.bootstrap import certain, measures, products
from artbp_exp.diagnosis.influence import influence_by_lag, window_change
from artbp_exp.diagnosis.measure import as_vector
from artbp_exp.diagnosis.words import line
from artbp_exp.verification.oracle import full_bptt
from tests.small import measured, small

PAPER: dict[str, Any] = {"name": "artbp", "length": 5, "alpha": 4}


def test_measures_of_known_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    full = torch.zeros(50, dtype=torch.float64)
    full[0] = 2.0
    shift = torch.zeros_like(full)
    shift[1] = 1.0
    drawn = [full + shift + 0.1 * torch.randn(50, generator=generator, dtype=torch.float64) for _ in range(400)]
    found = measures(products(drawn, full), rng=np.random.default_rng(0))
    assert found["bias2"] == pytest.approx(1 / 4, rel=0.05)
    assert found["variance"] == pytest.approx(50 * 0.01 / 4, rel=0.05)
    assert found["cosine_mean"] == pytest.approx(2 / np.sqrt(5), rel=0.01)
    assert found["snr"] == pytest.approx(1 / found["variance"])
    for name in ("bias2", "variance", "snr", "cosine", "cosine_mean"):
        assert found[f"{name}_low"] <= found[name] <= found[f"{name}_high"]


def test_draws_that_are_all_the_same_have_no_variance_and_no_interval() -> None:
    full = torch.ones(3)
    found = certain(products([2 * full, 2 * full], full))
    assert found["variance"] == 0
    assert found["bias2"] == found["bias2_low"] == found["bias2_high"] == pytest.approx(1)


def test_offsets_of_the_cuts_give_a_mean_and_a_range() -> None:
    full = torch.tensor([1.0, 0.0])
    found = certain(products([torch.tensor([1.0, 1.0]), torch.tensor([-1.0, 0.0])], full))
    assert (found["bias2_low"], found["bias2"], found["bias2_high"]) == pytest.approx((1.0, 2.5, 4.0))
    assert (found["cosine_low"], found["cosine_high"]) == pytest.approx((-1.0, np.sqrt(0.5)))


def test_a_gradient_far_shorter_than_the_true_one_keeps_its_direction_in_float32() -> None:
    rng = np.random.default_rng(0)
    full, off = (torch.from_numpy(rng.normal(size=70_000)) for _ in range(2))
    short = [1e-4 * (full + off), 1e-4 * off]
    found, wanted = (
        certain(products([one.to(dtype) for one in short], full.to(dtype))) for dtype in (torch.float32, torch.float64)
    )
    assert found["cosine"] == pytest.approx(wanted["cosine"], rel=1e-6)


@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_the_interval_of_the_mean_cosine_covers_it(bias: float) -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        full, away = (torch.from_numpy(rng.normal(size=300)) for _ in range(2))
        mean = full + bias * away
        drawn = [mean + 0.15 * torch.from_numpy(rng.normal(size=300)) for _ in range(24)]
        found = measures(products(drawn, full), rng=rng)
        assert found["cosine_mean_low"] <= found["cosine_mean"] <= found["cosine_mean_high"] <= 1 + 1e-12
        true = float(mean @ full / mean.norm() / full.norm())
        covered += found["cosine_mean_low"] - 1e-12 <= true <= found["cosine_mean_high"] + 1e-12
    assert covered >= 48


def test_measured_and_predicted_variance_agree() -> None:
    built, task = small("linear", 40)
    row = measured(built, task, PAPER, draws=3000, starts=49)
    assert row["variance"] == pytest.approx(row["predicted"], rel=0.3)
    assert row["variance_se"] < 0.1 * row["variance"]
    assert row["bias2_low"] < 0.01


def test_kappa_has_an_interval_and_is_turned_into_a_factor_at_the_batch_size_of_the_run() -> None:
    built, task = small("lstm", 30)
    row = measured(built, task, PAPER, draws=9, starts=12, batch_size=64)
    assert row["kappa_low"] < row["kappa"] < row["kappa_high"]
    for end in ("", "_low", "_high"):
        assert row[f"sharing_cost{end}"] == pytest.approx(1 + 63 * max(row[f"kappa{end}"], 0))


def test_truncation_has_bias_and_no_variance() -> None:
    built, task = small("rnn", 20)
    row = measured(built, task, {"name": "tbptt", "length": 3}, draws=9, starts=4)
    assert row["draws"] == 3
    assert row["variance"] == 0
    assert row["bias2_low"] > 1e-6
    assert row["bias2_low"] < row["bias2"] < row["bias2_high"]
    assert np.isnan(row["predicted"])


def test_influence_of_the_linear_system_is_its_matrix_power() -> None:
    built, task = small("linear", 30)
    falls = influence_by_lag(built, task, lags=6, losses=5, rng=np.random.default_rng(0))
    first = falls["influence"] / falls["influence"].iloc[0]
    # the first row of A^k: the influence of any unit on the first, k steps later
    power, row = built.get_buffer("transition").numpy(), np.eye(5)[0]
    for k in range(7):
        assert first[k] == pytest.approx(np.linalg.norm(row), rel=1e-9)
        row = row @ power


def test_a_long_window_changes_less_when_doubled() -> None:
    changes = [window_change(*small("linear", steps)) for steps in (16, 64, 256)]
    assert changes[0] > changes[1] > changes[2]
    assert changes[2] < 1e-6


@pytest.mark.usefixtures("registered")
def test_a_method_without_a_scheme_is_measured_without_theory() -> None:
    built, task = small("rnn", 12)
    row = measured(built, task, {"name": "noisy", "sigma": 0.1}, draws=2000, starts=4)
    full = as_vector(full_bptt(built, task).gradient)
    assert row["variance"] == pytest.approx(0.01 * full.numel() / float(full @ full), rel=0.1)
    assert row["bias2_low"] < 1e-3
    assert np.isnan(row["predicted"])
    assert np.isnan(row["stored_mean"])
    assert "noisy" in line(["length"], row)
    assert "nan" not in line(["length"], row)
