"""The certification certifies what is right and refutes what is wrong."""

from typing import Any

import numpy as np
import pytest

from artbp_exp import registry
from artbp_exp.methods import SegmentMethod, segment_method
from artbp_exp.methods.base import Claim
from artbp_exp.truncation import Scheme
from artbp_exp.verification.draws import Lengths, redrawn
from artbp_exp.verification.enumeration import Subject, certify, known_bias, pass_over
from artbp_exp.verification.monte_carlo import drawn
from artbp_exp.verification.oracle import full_bptt
from artbp_exp.verification.small import small, small_task

STEPS = 6
ARTBP = {"name": "artbp", "length": 2.5, "alpha": 4}
MODELS = registry.names("model")


@pytest.mark.parametrize("model", MODELS)
def test_what_is_not_broken_is_certified(model: str) -> None:
    exact = certify(small(ARTBP, *small_task(model, STEPS), engine="plain"))
    assert exact.certified
    assert exact.patterns == 2 ** (STEPS - 1)
    assert exact.variance > 0
    assert exact.variance_error is not None
    assert exact.variance_error < 1e-9


def test_the_closed_form_is_what_is_certified_on_the_synthetic_task() -> None:
    assert certify(small(ARTBP, *small_task("linear", STEPS), engine="fused")).certified


@pytest.mark.parametrize(("length", "certified"), [(STEPS, True), (STEPS - 1, False), (2, False)])
def test_truncated_bptt_is_certified_where_it_covers_the_sequence(length: int, certified: bool) -> None:
    exact = certify(small({"name": "tbptt", "length": length}, *small_task("rnn", STEPS)))
    assert exact.certified == certified
    assert certified or "certain" in str(exact.reason)


def test_uncompensated_cuts_are_refuted_and_no_variance_is_predicted() -> None:
    exact = certify(small(ARTBP | {"reweight": False}, *small_task("lstm", STEPS)))
    assert "not compensated" in str(exact.reason)
    assert exact.predicted is None


@pytest.mark.parametrize("model", ["linear", "gru"])
def test_nothing_is_trained_and_what_is_prescribed_is_drawn(model: str) -> None:
    subject = small(ARTBP, *small_task(model, STEPS))
    assert subject.scheme is not None
    lengths = Lengths.promised(subject.scheme, STEPS)

    def along(*pattern: int) -> dict[str, Any]:
        assert subject.scheme is not None
        segments, wrong = redrawn(subject.method, lengths, [subject.scheme.segment(n) for n in pattern])
        assert wrong is None
        return {name: g.clone() for name, g in pass_over(subject.loop, segments).gradient.items()}

    before = [p.clone() for p in subject.model.parameters()]
    first, again, other = along(2, 1, 3), along(2, 1, 3), along(3, 3)
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != g).any() for name, g in other.items())
    assert all((p == q).all() for p, q in zip(subject.model.parameters(), before, strict=True))


def test_a_wrong_variance_formula_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artbp_exp.verification.enumeration.exact_variance", lambda *args: 1.0)
    assert certify(small(ARTBP, *small_task("rnn", STEPS))).reason == "the variance is not the formula's"


def test_a_scheme_is_asked_for_its_hazard_only() -> None:
    """Lengths and factors come from the method: a scheme whose factors lie is found out."""

    class Lying(Scheme):
        def factors(self, count: int) -> Any:
            return 1.01 * super().factors(count)

    honest = registry.build("method", ARTBP)
    scheme = Lying(**{name: getattr(honest, name) for name in ("name", "length", "hazard")})
    model, task = small_task("rnn", STEPS)
    method = segment_method(scheme, model=model, task=task, engine="plain")
    assert not certify(Subject(model=model, task=task, method=method)).certified


def test_the_bias_of_wrong_draws_is_the_one_that_training_would_see() -> None:
    """Against sampling: the method as it is, with cuts from a generator."""
    subject = small(ARTBP, *small_task("linear", STEPS), mutant="cuts drawn with half their probability")
    exact = certify(subject)
    full = float(full_bptt(subject.model, subject.task).gradient["theta"])
    rng = np.random.default_rng(0)
    sample = np.array([float(drawn(subject, rng)["theta"]) for _ in range(4000)])
    error = sample.std(ddof=1) / np.sqrt(sample.size) / abs(full)
    assert abs(abs(sample.mean() - full) / abs(full) - exact.bias["theta"]) < 4 * error
    assert exact.bias["theta"] > 8 * error


@pytest.mark.parametrize("carry_state", [True, False])
@pytest.mark.parametrize("auxiliary", ["none", "reconstruct"])
@pytest.mark.parametrize(
    "scheme", [ARTBP, ARTBP | {"reweight": False}, {"name": "bptt"}, {"name": "tbptt", "length": 3}]
)
def test_a_method_claims_what_is_known_of_it(scheme: dict[str, Any], auxiliary: str, carry_state: bool) -> None:
    model, task = small_task("rnn", STEPS)
    task.carry_state = carry_state
    tried = small(scheme, model, task, auxiliary=auxiliary)
    assert (tried.method.claim(STEPS) is Claim.BIASED) == (known_bias(tried) is not None)


def test_where_the_state_is_reset_at_cuts_no_variance_is_predicted() -> None:
    def certified(name: str, **settings: Any) -> Any:
        model, task = small_task("rnn", STEPS)
        task.carry_state = False
        method = SegmentMethod(model=model, scheme=registry.build("method", {"name": name, **settings}), engine="plain")
        return certify(Subject(model=model, task=task, method=method))

    exact = certified(**ARTBP)
    assert not exact.certified
    assert exact.predicted is None
    assert "the state is reset at cuts" in str(exact.reason)
    assert certified("bptt").certified
