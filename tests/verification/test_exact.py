"""The certification certifies what is right and refutes what is wrong."""

from typing import Any

import numpy as np
import pytest

from artbp_exp import registry
from artbp_exp.methods import segment_method
from artbp_exp.truncation import Scheme
from artbp_exp.verification.broken import BROKEN
from artbp_exp.verification.everything import everything, methods, small
from artbp_exp.verification.exact import BIAS_TOLERANCE, certify
from artbp_exp.verification.lengths import along, promised
from artbp_exp.verification.oracle import full_bptt
from artbp_exp.verification.probe import Make, Probe

STEPS = 6
ARTBP = {"name": "artbp", "length": 2.5, "alpha": 4}
MODELS = registry.names("model")


def probe(model: str, settings: dict[str, Any], *, engine: str = "auto", make: Make = segment_method) -> Probe:
    built, task = small(model, STEPS)
    return Probe(engine=engine, model=built, task=task, scheme=registry.build("method", settings), make=make)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_learner_is_refuted(model: str, broken: str) -> None:
    exact = certify(probe(model, ARTBP, make=BROKEN[broken]))
    assert not exact.certified
    assert max(exact.bias.values()) > 1e6 * BIAS_TOLERANCE


@pytest.mark.parametrize("model", MODELS)
def test_the_learner_that_was_not_broken_is_certified(model: str) -> None:
    exact = certify(probe(model, ARTBP, engine="plain"))
    assert exact.certified
    assert exact.patterns == 2 ** (STEPS - 1)
    assert exact.variance > 0
    assert exact.variance_error is not None
    assert exact.variance_error < 1e-9


def test_the_closed_form_is_what_is_certified_on_the_synthetic_task() -> None:
    assert certify(probe("linear", ARTBP, engine="fused")).certified


@pytest.mark.parametrize(("length", "certified"), [(STEPS, True), (STEPS - 1, False), (2, False)])
def test_truncated_bptt_is_certified_where_it_covers_the_sequence(length: int, certified: bool) -> None:
    assert certify(probe("rnn", {"name": "tbptt", "length": length})).certified == certified


def test_uncompensated_cuts_are_refuted_and_no_variance_is_predicted() -> None:
    exact = certify(probe("lstm", ARTBP | {"reweight": False}))
    assert not exact.certified
    assert exact.predicted is None


@pytest.mark.parametrize("model", ["linear", "gru"])
def test_the_probe_trains_nothing_and_draws_what_is_prescribed(model: str) -> None:
    tried = probe(model, ARTBP)
    lengths = promised(tried.scheme, STEPS)
    before = [p.clone() for p in tried.model.parameters()]
    first = {name: g.clone() for name, g in along(tried, lengths, [2, 1, 3])[0].items()}
    again, wrong = along(tried, lengths, [2, 1, 3])
    assert wrong is None
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != g).any() for name, g in along(tried, lengths, [3, 3])[0].items())
    assert all((p == q).all() for p, q in zip(tried.model.parameters(), before, strict=True))


def test_a_wrong_variance_formula_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artbp_exp.verification.exact.exact_variance", lambda scheme, steps, crossings: 1.0)
    assert not certify(probe("rnn", ARTBP)).certified


def test_every_method_and_model_is_in_the_sweep_and_comes_out_as_expected() -> None:
    found = list(everything(4))
    assert {verdict.model for verdict in found} == set(MODELS)
    assert {settings["name"] for settings in methods()} == set(registry.names("method"))
    assert all(verdict.holds for verdict in found)
    assert {verdict.engine for verdict in found if verdict.model == "linear"} >= {"plain", "auto", "fused"}


def test_a_scheme_is_asked_for_its_hazard_only() -> None:
    """Lengths and factors come from the learner: a scheme whose factors lie is found out."""

    class Lying(Scheme):
        def factors(self, count: int) -> Any:
            return 1.01 * super().factors(count)

    honest = registry.build("method", ARTBP)
    fields = {name: getattr(honest, name) for name in ("name", "length", "hazard")}
    built, task = small("rnn", STEPS)
    assert not certify(Probe(engine="plain", model=built, task=task, scheme=Lying(**fields))).certified


def test_what_is_wrong_is_named() -> None:
    reasons = {
        "cuts drawn with half their probability": "segments are not drawn with the hazard's probabilities",
        "draws shifted by one step": "segments are not drawn with the hazard's probabilities",
        "length silently capped": "segments are not drawn with the hazard's probabilities",
        "factors shifted by one step": "the mean over all ways to cut is not full BPTT's gradient",
    }
    for broken, reason in reasons.items():
        assert reason in str(certify(probe("rnn", ARTBP, make=BROKEN[broken])).reason)
    assert "not compensated" in str(certify(probe("rnn", ARTBP | {"reweight": False})).reason)
    assert "certain" in str(certify(probe("rnn", {"name": "tbptt", "length": 2})).reason)
    assert certify(probe("rnn", ARTBP)).reason is None


def test_the_bias_of_wrong_draws_is_the_one_that_training_would_see() -> None:
    """Against sampling: the learner as it is, with cuts from a generator."""
    tried = probe("linear", ARTBP, make=BROKEN["cuts drawn with half their probability"])
    exact = certify(tried)
    full = float(full_bptt(tried.model, tried.task).gradient["theta"])
    drawn = np.array([float(g["theta"]) for g in tried.drawn(np.random.default_rng(0), 4000)])
    error = drawn.std(ddof=1) / np.sqrt(drawn.size) / abs(full)
    assert abs(abs(drawn.mean() - full) / abs(full) - exact.bias["theta"]) < 4 * error
    assert exact.bias["theta"] > 8 * error


def test_where_the_state_is_reset_at_cuts_no_variance_is_predicted() -> None:
    built, task = small("rnn", STEPS)
    task.carry_state = False
    exact = certify(Probe(engine="plain", model=built, task=task, scheme=registry.build("method", ARTBP)))
    assert not exact.certified
    assert exact.predicted is None
    assert "the state is reset at cuts" in str(exact.reason)
    never = certify(Probe(engine="plain", model=built, task=task, scheme=registry.build("method", {"name": "bptt"})))
    assert never.certified
