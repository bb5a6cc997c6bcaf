"""What is measured is the truncation at a θ: not the run's reset of the state, and with a long enough window."""

import io
import pickle
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from artbp_exp.diagnosis import clock
from artbp_exp.diagnosis.influence import influence_by_lag
from artbp_exp.diagnosis.run import diagnose as run
from artbp_exp.diagnosis.run import rows
from artbp_exp.diagnosis.run.checkpoint import load
from artbp_exp.diagnosis.run.diagnose import diagnose, window_verdict
from artbp_exp.errors import UserError
from artbp_exp.run_config import RunConfig
from tests.small import measured_at

Configure = Callable[..., RunConfig]

OWN: dict[str, Any] = {
    "run": None, "start": 0, "warm_up": 20, "steps": 60, "streams": 2, "bias_streams": 4, "draws": 4, "starts": 4,
    "losses": 2, "lags": 10, "budget": None,
    "lengths": [5], "truncated_lengths": [5], "alpha": 4, "length": 5, "alphas": [4], "memory": 8,
}  # fmt: skip


@pytest.fixture
def settings(configure: Configure, own_corpus: Path) -> Callable[[bool], RunConfig]:
    """Settings of a small model by whether its run carries the state."""
    return lambda carry: configure(
        "task=ptb",
        "task.corpus=own",
        f"task.data_dir={own_corpus}",
        "task.batch_size=4",
        "model.hidden_size=4",
        "precision=float64",
        f"task.carry_state={str(carry).lower()}",
    )


def test_the_state_is_carried_whatever_the_run_does(settings: Callable[[bool], RunConfig]) -> None:
    found_rows = []
    for carry in (True, False):
        found = load(settings(carry), OWN)
        assert found.run_carries == carry
        assert found.batch_size == 4
        found_rows.append(measured_at(found, {"name": "artbp", "length": 5, "alpha": 4}, draws=40, starts=4))
    pd.testing.assert_series_equal(pd.Series(found_rows[0]), pd.Series(found_rows[1]))


def test_an_episode_is_measured_whole_and_at_lags_that_its_losses_have(configure: Configure) -> None:
    small = ("task.blanks=4", "task.episodes=3", "task.batch_size=8", "model.hidden_size=3", "precision=float64")
    found = load(configure("task=copy", *small), OWN | {"start": 20})
    assert (found.start, found.task.steps, found.whole) == (13, 13, True)
    assert torch.equal(found.model.init_state(2)[0], torch.zeros(2, 3, dtype=torch.float64))
    falls = influence_by_lag(found.model, found.task, lags=12, losses=4, rng=np.random.default_rng(0))
    assert 6 < falls["lag"].max() < 12
    assert (falls["influence"] > 0).all()


def parameters(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read as parameters"),
        (b"no parameters\n", "cannot be read as parameters"),
        (parameters({"bias": torch.zeros(3)})[:-100], "cannot be read as parameters"),
        (pickle.dumps(Path("x")), "cannot be read as parameters"),
        (parameters([1, 2]), "holds no parameters of a model"),
        (pickle.dumps([1, 2], protocol=2), "cannot be read as parameters"),
        (parameters({"bias": 1}), "holds no parameters of a model"),
        (parameters({1: torch.zeros(3)}), "holds no parameters of a model"),
        (parameters({}), "bias has the shape None there, (16,) in the model"),
    ],
)
def test_parameters_that_are_none_are_one_line(
    settings: Callable[[bool], RunConfig], tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(UserError) as caught:
        load(settings(True), {**OWN, "run": str(tmp_path)})
    assert str(caught.value).startswith(f"{tmp_path}/model.pt")
    assert said in str(caught.value)
    assert str(caught.value).endswith("or do this one again with artbp-run")
    assert "\n" not in str(caught.value)


def test_the_parameters_of_the_run_are_measured(settings: Callable[[bool], RunConfig], tmp_path: Path) -> None:
    trained = {name: one + 1 for name, one in load(settings(True), OWN).model.state_dict().items()}
    torch.save(trained, tmp_path / "model.pt")
    found = load(settings(True), {**OWN, "run": str(tmp_path)}).model.state_dict()
    assert all(torch.equal(found[name], one) for name, one in trained.items())


def test_it_is_said_and_written(
    settings: Callable[[bool], RunConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diagnose(settings(False), OWN, out=tmp_path, command="artbp-diagnose")
    said = "the state is carried across cuts, as full BPTT does, although task.carry_state=false in the run\n"
    assert said in capsys.readouterr().out
    facts = pd.read_csv(tmp_path / "checkpoint.csv").iloc[0]
    assert facts["carry_state"]
    assert not facts["run_carry_state"]
    assert facts["run_batch_size"] == 4
    assert facts["method_memory"] == 300
    assert 0 < facts["common2"] < np.inf


def test_a_setting_in_two_comparisons_is_measured_once_and_each_has_its_own_cuts(
    settings: Callable[[bool], RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []

    def spy(*args: Any, rng: np.random.Generator, **kwargs: Any) -> dict[str, Any]:
        seeds.append(str(rng.bit_generator.state))
        return measured_once(*args, rng=rng, **kwargs)

    measured_once = rows.measure_at
    monkeypatch.setattr(rows, "measure_at", spy)
    diagnose(settings(True), OWN, out=tmp_path, command="artbp-diagnose")
    table = pd.read_csv(tmp_path / "methods.csv")
    paper = table[(table["length"] == 5) & (table["alpha"] == 4) & table["reweight"]]
    assert list(paper["comparison"]) == ["length", "equal length", "equal memory"]
    assert paper["variance"].nunique() == 1
    assert len(set(seeds)) == len(seeds) < len(table)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"budget": 0}, r"diagnose\.budget must be a number > 0; got 0"),
        ({"draws": 2}, r"diagnose\.draws must be a whole number ≥ 3"),
        ({"starts": 3}, r"diagnose\.starts must be a whole number ≥ 4"),
        ({"losses": 1}, r"diagnose\.losses must be a whole number ≥ 2"),
        ({"lags": 60}, r"diagnose\.lags=60 must be below diagnose\.steps=60"),
        ({"streams": 0}, r"diagnose\.streams must be a whole number ≥ 1"),
        ({"bias_streams": 0.5}, r"diagnose\.bias_streams must be a whole number ≥ 1"),
        ({"warm_up": -1}, r"diagnose\.warm_up must be a whole number ≥ 0"),
        ({"start": 10**6}, r"a window of 60 steps from step 1000020 does not fit"),
        ({"memory": 0}, r"diagnose\.memory must be a number > 0"),
        ({"truncated_lengths": [0]}, r"diagnose\.truncated_lengths must be a whole number ≥ 1"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_computed(
    settings: Callable[[bool], RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any],
    said: str,
) -> None:  # fmt: skip
    def computing(*_: Any) -> float:
        raise AssertionError("computed before it was refused")

    monkeypatch.setattr(run, "window_change", computing)
    with pytest.raises(UserError, match=said):
        diagnose(settings(True), {**OWN, **wrong}, out=tmp_path, command="artbp-diagnose")


def test_a_window_that_is_too_short_is_warned_of(
    settings: Callable[[bool], RunConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(run, "window_change", lambda model, task: 5.0)
    diagnose(settings(True), OWN, out=tmp_path, command="artbp-diagnose")
    assert capsys.readouterr().err.startswith("warning: diagnose.steps=60 is too short")
    assert not pd.read_csv(tmp_path / "checkpoint.csv")["window_enough"].iloc[0]


def test_the_bound_on_the_window_is_the_least_standard_error() -> None:
    table = pd.DataFrame({"variance": [0.0, 4.0, 1.0], "draws": [2, 100, 100]})
    assert window_verdict(0.05, table) == {"window_change": 0.05, "window_bound": 0.1, "window_enough": True}
    assert not window_verdict(0.2, table)["window_enough"]
    assert window_verdict(0.0, table[:1])["window_bound"] == run.WINDOW_BOUND
    assert np.isfinite(window_verdict(0.0, table)["window_bound"])


@pytest.mark.usefixtures("registered")
def test_every_registered_method_has_a_row_or_a_reason(
    settings: Callable[[bool], RunConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diagnose(settings(True), {**OWN, "lengths": [2, 5]}, out=tmp_path, command="artbp-diagnose")
    table = pd.read_csv(tmp_path / "methods.csv")
    assert list(table["length"][table["method"] == "jittered"]) == [5]
    assert "left out: jittered at length 2: method.length must be" in capsys.readouterr().out
    assert (table["method"] == "noisy").sum() == 1
    assert "nan" not in (tmp_path / "advice.txt").read_text(encoding="utf-8")


def test_a_budget_bounds_everything_and_the_advice_says_so(
    settings: Callable[[bool], RunConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """By a clock that goes on by a millisecond whenever it is looked at, and a draw and a place that take a second."""
    ticks = (n / 1000 for n in count())
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=ticks.__next__))
    monkeypatch.setattr(rows, "seconds_of", lambda run: 1.0)
    # ten settings, of which those that draw take 32 + 8 s each
    own = OWN | {"draws": 32, "starts": 8, "budget": 200}
    text = diagnose(settings(True), own, out=tmp_path, command="artbp-diagnose")
    said = capsys.readouterr().out
    table = pd.read_csv(tmp_path / "methods.csv")
    drawn = int(table["draws"].max())
    assert 8 < drawn < 32
    assert f"on {drawn} draws each and from " in said
    assert "; 32 draws would take " in said
    assert f"diagnose.budget=200 had time for {drawn} of 32 draws, " in text
    assert pd.read_csv(tmp_path / "checkpoint.csv")["starts"].iloc[0] < 8


def test_what_the_time_has_no_room_for_is_left_out(
    settings: Callable[[bool], RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = count(step=100)
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=ticks.__next__))
    text = diagnose(settings(True), OWN | {"budget": 1}, out=tmp_path, command="artbp-diagnose")
    assert len(pd.read_csv(tmp_path / "methods.csv")) == 1
    assert "diagnose.budget=1 had time for 2 of 4 streams, 1 of " in text


@pytest.mark.usefixtures("registered")
def test_what_cannot_be_measured_is_not_put_down_to_the_time(
    settings: Callable[[bool], RunConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    measure_at = rows.measure_at

    def refused(checkpoint: Any, full: Any, one: rows.Candidate, **rest: Any) -> dict[str, Any]:
        if one.settings["name"] == "noisy":
            raise UserError("it is too loud")
        return measure_at(checkpoint, full, one, **rest)

    monkeypatch.setattr(rows, "measure_at", refused)
    text = diagnose(settings(True), OWN, out=tmp_path, command="artbp-diagnose")
    assert "left out: noisy: it is too loud" in capsys.readouterr().out
    assert "had time for" not in text
    assert "noisy" not in set(pd.read_csv(tmp_path / "methods.csv")["method"])


def test_an_interruption_leaves_whole_rows(
    settings: Callable[[bool], RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_at, calls = rows.measure_at, count()

    def interrupted(*args: Any, **kwargs: Any) -> dict[str, Any]:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return measure_at(*args, **kwargs)

    monkeypatch.setattr(rows, "measure_at", interrupted)
    with pytest.raises(KeyboardInterrupt):
        diagnose(settings(True), OWN, out=tmp_path, command="artbp-diagnose")
    table = pd.read_csv(tmp_path / "methods.csv")
    assert list(table["method"])[:2] == ["tbptt", "artbp"]
    assert table["bias2_lasting"].notna().iloc[0]
    assert {"updates_to_match", "predicted"} < set(table.columns)


def test_a_model_that_nothing_may_cut_is_refused_as_a_run_refuses_it(configure: Configure, tmp_path: Path) -> None:
    """`model=sab` keeps all earlier states of its episode."""
    small = ("task.blanks=4", "task.episodes=3", "task.batch_size=8", "model.hidden_size=3", "method=bptt")
    config = configure("task=copy", "model=sab", *small)
    with pytest.raises(UserError, match="model=sab keeps a memory of its episode, which method=tbptt does not carry"):
        diagnose(config, OWN, out=tmp_path, command="artbp-diagnose")
    assert not list(tmp_path.iterdir())
