"""Advice follows from the numbers: no ranking of noise, no constant hazard that influence forbids."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from artbp_exp.diagnosis.comparisons import compare_schedules, variance_estimate
from artbp_exp.diagnosis.run.advice import advice

NAN = float("nan")
EVIDENCE = Path(__file__).parents[2] / "results" / "diagnose"


def row(comparison: str = "equal memory", **changed: Any) -> dict[str, Any]:
    measured = {"variance": 1.0, "variance_se": 0.02, "bias2": 0.0, "bias2_low": -0.1, "bias2_high": 0.1}
    predicted = {"predicted": 1.0, "predicted_se": 0.02, "predicted_rare": 0.0}
    setting = {"method": "artbp", "reweight": True, "schedule": "paper", "alpha": 4.0, "length": 20.0, "every": 1}
    lasting = dict.fromkeys(("bias2_lasting", "bias2_lasting_low", "bias2_lasting_high"), NAN)
    updates = dict.fromkeys(("updates_to_match", "updates_to_match_low", "updates_to_match_high"), NAN)
    return {
        "comparison": comparison, **setting, **measured, **predicted, **lasting, **updates, "stored_mean_theory": 30.0,
        **changed,
    }  # fmt: skip


def constant(**changed: Any) -> dict[str, Any]:
    return row(schedule="constant", alpha=NAN, **changed)


def truncated(length: float, low: float, middle: float, high: float) -> dict[str, Any]:
    lasting = {"bias2_lasting_low": low, "bias2_lasting": middle, "bias2_lasting_high": high}
    return row(
        "length", method="tbptt", length=length, schedule=None, alpha=NAN, variance=0.0, predicted=NAN, **lasting
    )


def falling(ratio: float) -> pd.DataFrame:
    lags = np.arange(201)
    return pd.DataFrame({"lag": lags, "influence": 0.1 * ratio**lags + 5 * 0.5**lags})


FACTS = pd.Series({"steps": 400, "streams": 4, "window_enough": True, "start": 200, "starts": 16, "run_method": "bptt"})


def told(rows: list[dict[str, Any]], *, ratio: float = 0.5, **facts: Any) -> str:
    if all(one["comparison"] != "length" for one in rows):
        rows = [row("length"), *rows]  # whose exponent is the one configured
    return advice(pd.DataFrame(rows), falling(ratio), pd.Series({**FACTS, **facts}))


def test_two_estimates_are_averaged_where_draws_can_show_the_variance() -> None:
    both = row(variance=1.0, variance_se=0.1, predicted=1.2, predicted_se=0.1)
    assert variance_estimate(both) == (pytest.approx(1.1), pytest.approx(0.1 / np.sqrt(2)))
    assert variance_estimate({**both, "predicted_rare": 0.3}) == (1.2, 0.1)
    assert variance_estimate({**both, "predicted": NAN}) == (1.0, 0.1)
    # what draws may have missed counts as an error of the measured one
    value, error = variance_estimate({**both, "predicted_rare": 0.09})
    assert value > 1.1
    assert error > 0.1 / np.sqrt(2)


def test_a_difference_within_the_noise_changes_nothing() -> None:
    text = told([row(), row(alpha=6.0, variance=0.99), constant(variance=0.97, predicted=0.98)])
    assert "exponent at equal memory (30 stored steps): no exponent differs reliably: keep α = 4\n" in text
    assert "take" not in text.split("exponent")[1].split("length")[0]


def test_the_number_of_comparisons_is_corrected_for() -> None:
    # z = 0.04/0.02 = 2: beyond the limit of a single comparison, 1.96, but not of two, 2.24
    close = row(alpha=6.0, variance=0.96, predicted=0.96)
    alone = compare_schedules(pd.DataFrame([row(), close]), 4.0, shortest=2)["equal memory"]
    assert [one["alpha"] for one in alone.less] == [6.0]
    beside = compare_schedules(pd.DataFrame([row(), close, row(alpha=5.0)]), 4.0, shortest=2)["equal memory"]
    assert beside.less == []


def test_a_reliable_difference_is_said_with_its_length() -> None:
    text = told(
        [row(), row(alpha=6.0, length=28.0, variance=0.5, predicted=0.5), row(alpha=3.5, variance=2, predicted=2)]
    )
    assert "α = 6 has reliably less variance than α = 4: take it, with its L0\n" in text
    assert "    less:           α = 6, L0 = 28: variance 0.5 (0.472 to 0.528)\n" in text
    assert "    more:           α = 3.5, L0 = 20: variance 2 (1.97 to 2.03)\n" in text


def test_the_exponent_of_the_run_is_the_one_that_is_kept() -> None:
    rows = [row("length", alpha=4.0), row(alpha=4.0), row(alpha=6.0)]
    run = {
        "run_method": "artbp",
        "run_length": 20,
        "run_schedule": "paper",
        "run_alpha": 6.0,
        "run_reweight": True,
        "run_every": 1,
    }
    text = told(rows, **run)
    assert "keep α = 6\n" in text
    assert "keep α = 4\n" in told(rows)
    assert "this run: ARTBP L0 = 20 α = 6: squared bias indistinguishable from 0, below 0.1 of" in text


def test_this_run_is_the_row_with_its_own_grid_of_cuts() -> None:
    run = {"run_method": "artbp", "run_length": 20, "run_schedule": "paper", "run_alpha": 4.0, "run_reweight": True}
    own = row("length", every=5, variance=3.0, predicted=3.0)
    text = told([row("length"), own], **run, run_every=5)
    assert (
        "this run: ARTBP L0 = 20 α = 4 every 5: squared bias indistinguishable from 0, below 0.1 of ‖g‖², variance 3 ("
        in text
    )
    assert "this run: ARTBP L0 = 20 α = 4: squared" in told([row("length"), own], **run, run_every=1)
    # longer blocks need a longer constant hazard: 1/(1 − 0.99²) = 50.3, 30/(1 − 0.99⁶⁰) = 66.3
    rows = [row("length"), *(constant(length=60.0, every=k) for k in (1, 30))]
    assert "do not take it at L0 = 60 every 30, whatever was measured: too short\n" in told(rows, ratio=0.99)


def test_certain_cuts_are_no_schedule_to_take() -> None:
    certain = row("length", length=1.0, variance=0.0, predicted=NAN)
    rows = [truncated(10, 0.1, 0.2, 0.3), row("length", length=10.0, variance=2.0, predicted=2.0), row("length")]
    assert "α = 4, L0 = 10 to 20: variance 2" in told([*rows, certain])
    base = row("equal length")
    text = told([base, row("equal length", alpha=6.0, variance=0.0, predicted=NAN)])
    assert "nothing to compare" in text


@pytest.mark.parametrize(("ratio", "needed"), [(0.9963, "135"), (0.99, "50")])
def test_no_constant_hazard_is_recommended_that_influence_forbids(ratio: float, needed: str) -> None:
    best = constant(length=21.0, variance=0.1, predicted=0.1)
    text = told([row(), row(alpha=6.0), best], ratio=ratio)
    assert f"it needs L0 above {needed}; the paper's schedule has no such limit\n" in text
    assert "do not take it at L0 = 21, whatever was measured: too short\n" in text
    assert "constant hazard has reliably less" not in text
    assert "constant hazard has reliably less variance than α = 4" in told([row(), best], ratio=0.8)


def test_no_constant_hazard_is_recommended_whose_variance_is_mostly_unseen() -> None:
    unseen = constant(variance=0.1, predicted=0.2, predicted_rare=0.6)
    text = told([row(), unseen], ratio=0.8)
    assert "constant hazard has reliably less" not in text
    assert (
        "do not take it at L0 = 20, whatever was measured: its variance lies in segments too rare to be drawn\n" in text
    )


def test_influence_that_does_not_fall_forbids_every_constant_hazard() -> None:
    text = told([row(), constant(length=500.0, variance=0.1, predicted=0.1)], ratio=1.001)
    assert "constant hazard: do not use one: influence does not decay at long lags" in text
    assert "do not take it at L0 = 500" in text
    assert "constant hazard has reliably less" not in text


def test_lengths_are_said_with_the_bias_and_the_updates() -> None:
    updates = {"updates_to_match": 1234.0, "updates_to_match_low": 600.0, "updates_to_match_high": 8800.0}
    never = {"updates_to_match": 1100.0, "updates_to_match_low": 440.0, "updates_to_match_high": float("inf")}
    text = told(
        [
            truncated(25, 1e-4, 6.6e-4, 1.3e-3),
            row("length", length=25.0, **updates),
            truncated(50, -1e-5, 1.8e-4, 4.3e-4),
            row("length", length=50.0, variance=0.5, predicted=0.5, **never),
        ]
    )
    assert "L = 25: truncated BPTT has a systematic squared bias of 0.066 % (0.01 to 0.13 %) of ‖g‖²\n" in text
    assert "averages to a smaller error after about 1,200 updates (600 to 8,800)" in text
    assert "L = 50: truncated BPTT has no systematic bias distinguishable from 0, at most 0.043 %" in text
    assert "averages to a smaller error after 440 updates or more, perhaps never\n" in text
    assert "length: with a longer one ARTBP's variance falls and its memory grows: take the longest that fits\n" in text


@pytest.mark.parametrize(
    ("common2", "systematic", "none"),
    [
        (0.05, ", 8.1 % of what the streams' gradients have in common", ", 0.86 % of what the streams' gradients have"),
        (-0.01, "; the gradients of the streams have nothing in common that shows", "; the gradients of the streams"),
        (NAN, "", ""),
    ],
)
def test_a_systematic_bias_is_told_as_a_share_of_what_the_streams_have_in_common_too(
    common2: float, systematic: str, none: str
) -> None:
    rows = [truncated(10, 0.0027, 0.00406, 0.0058), truncated(50, -1e-5, 0.00018, 0.00043)]
    text = told(rows, common2=common2)
    assert f"a systematic squared bias of 0.41 % (0.27 to 0.58 %) of ‖g‖²{systematic}\n" in text
    assert f"no systematic bias distinguishable from 0, at most 0.043 % of ‖g‖²{none}" in text


def test_what_it_rests_on_is_said_last() -> None:
    last = told([row()], start=200, starts=16).splitlines()[-1]
    assert last.startswith("measured on one window of 400 steps × 4 streams from step 200, predicted from 16 places")
    assert "diagnose.start=" in last
    assert "warning: a window of 400 steps is too short" in told([row()], window_enough=False)


def test_nothing_to_compare_is_said() -> None:
    alone = told([row("length"), row(), row("equal length"), row("equal length", alpha=6.0)])
    assert "exponent at equal memory (30 stored steps): no other schedule to compare with α = 4\n" in alone
    assert "exponent: nothing to compare" in told([truncated(25, 1e-4, 6.6e-4, 1.3e-3)])


@pytest.mark.parametrize("name", ["synthetic", "ptb"])
def test_committed_advice_is_that_of_the_committed_tables(name: str) -> None:
    table, falls, about = (
        pd.read_csv(EVIDENCE / name / f"{one}.csv") for one in ("methods", "influence", "checkpoint")
    )
    assert (EVIDENCE / name / "advice.txt").read_text(encoding="utf-8") == advice(table, falls, about.iloc[0])
