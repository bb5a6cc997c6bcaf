"""Estimates of the smoothed loss's gradient: certified by an interval, refuted where they forget what came before."""

from typing import Any

import pytest
import torch

from artbp_exp.errors import UserError
from artbp_exp.methods.base import Claim
from artbp_exp.methods.online.pes import PES
from artbp_exp.verification.small import small_estimator
from artbp_exp.verification.smoothed import certify_claim

SETTINGS: dict[str, Any] = {"name": "pes", "particles": 1000, "update_every": 2}


@pytest.mark.parametrize("model", ["linear", "rnn"])
def test_pes_is_unbiased_for_the_smoothed_loss(model: str) -> None:
    subject = small_estimator(SETTINGS, model, 6)
    found = certify_claim(subject)
    assert subject.method.claim(6) is Claim.SMOOTHED
    assert found.certified
    assert not found.blunt


def test_weighting_by_the_last_perturbation_is_truncated_and_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """ξ that is forgotten after each window: evolution strategies on truncated windows."""
    advance = PES.advance

    def forgetful(self: PES, carry: Any, *rest: Any, **more: Any) -> Any:
        return advance(self, carry | {"xi": torch.zeros_like(carry["xi"])}, *rest, **more)

    monkeypatch.setattr(PES, "advance", forgetful)
    found = certify_claim(small_estimator(SETTINGS, "rnn", 6))
    assert found.reason == "the mean of the draws is not the smoothed loss's gradient"


@pytest.mark.parametrize("wrong", [False, True])
def test_a_parameter_without_a_gradient_is_tested(monkeypatch: pytest.MonkeyPatch, wrong: bool) -> None:
    subject = small_estimator(SETTINGS, "linear", 4)
    idle = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    subject.model.register_parameter("idle", idle)
    advance = PES.advance

    def spoilt(self: PES, *rest: Any, **more: Any) -> Any:
        idle.grad = torch.full_like(idle, 0.1 * wrong)
        return advance(self, *rest, **more)

    monkeypatch.setattr(PES, "advance", spoilt)
    found = certify_claim(subject)
    assert found.biased("idle") == wrong
    assert not found.biased("theta")


@pytest.mark.parametrize("settings", [SETTINGS, {"name": "rtrl"}, {"name": "artbp", "length": 2, "alpha": 4}], ids=str)
def test_where_no_gradient_is_nothing_is_certified(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]) -> None:
    subject = small_estimator(settings, "rnn", 4)
    monkeypatch.setattr(subject.task, "loss", lambda predictions, targets: 0 * predictions.sum())
    with pytest.raises(UserError, match="no gradient reaches any parameter"):
        certify_claim(subject)


def test_too_few_particles_show_nothing() -> None:
    found = certify_claim(small_estimator(SETTINGS | {"particles": 2}, "rnn", 6))
    assert found.blunt


def test_pes_analytic_is_neither_but_for_quadratics() -> None:
    settings = SETTINGS | {"name": "pes_analytic", "sigma": 0.3}
    assert not certify_claim(small_estimator(settings, "rnn", 6)).certified
    assert certify_claim(small_estimator(settings, "linear", 6)).certified
