"""Held-out bits per character: split into parallel parts, yet what one reader finds from start to end."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.text import evaluation
from artbp_exp.tasks.text.evaluation import evaluate
from tests.cells import VOCABULARY, build_model, is_character_model

NAMES = [name for name in ("rnn", "gru", "lstm", "authors") if is_character_model(name)]


def short_memory(name: str) -> RecurrentModel:
    """A model that has forgotten everything after a few dozen symbols."""
    model = build_model(name)
    for key, p in model.named_parameters():
        if key in ("recurrent", "mixing", "gating"):
            p.data *= 0.1
        if key == "bias":
            p.data.zero_()
    return model


def text(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, VOCABULARY, count))


@torch.no_grad()
def one_reader(model: RecurrentModel, symbols: torch.Tensor) -> float:
    state, nats = model.init_state(1), 0.0
    for now, following in itertools.pairwise(symbols):
        logits, state = model(now.reshape(1, 1), state)
        nats -= torch.log_softmax(logits[0, 0], 0)[following].item()
    return nats / (symbols.numel() - 1) / math.log(2)


@pytest.mark.parametrize("name", NAMES)
def test_one_stream_is_one_reader(name: str) -> None:
    model, symbols = build_model(name), text(150)
    found = evaluate(model, symbols, streams=1, overlap=0, piece=37)
    assert found == pytest.approx(one_reader(model, symbols), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("count", "streams"), [(2000, 8), (2001, 8), (1999, 7), (450, 64), (151, 64), (100, 3), (2, 5)]
)
def test_many_streams_are_one_reader_if_the_overlap_covers_the_memory(name: str, count: int, streams: int) -> None:
    model, symbols = short_memory(name), text(count, seed=count)
    found = evaluate(model, symbols, streams=streams, overlap=150)
    assert found == pytest.approx(one_reader(model, symbols), rel=1e-10)


@pytest.mark.parametrize("count", [4000, 3001])
@pytest.mark.parametrize("forget_bias", [6.0, 8.0])
def test_a_memory_longer_than_the_overlap_is_noticed(count: int, forget_bias: float) -> None:
    """A forget gate of σ(6) still holds 88 % of a cell after 50 symbols: a fixed warm-up of 50 is far off.

    One of σ(8) holds 92 % after a whole part of 250, which hides from a look at its first symbols alone.
    """
    model, symbols = build_model("lstm", hidden_size=8), text(count)
    model.get_parameter("bias").data[8:16] = forget_bias
    wanted = one_reader(model, symbols)
    fixed = evaluate(model, symbols, streams=16, overlap=50, tolerance=math.inf)
    assert abs(fixed - wanted) > 1e-3
    assert evaluate(model, symbols, streams=16, overlap=50) == pytest.approx(wanted, abs=1e-4)
    assert evaluate(model, symbols, streams=16, overlap=50, tolerance=0) == pytest.approx(wanted, rel=1e-12)


def test_a_memory_without_end_is_given_to_one_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that are run again until the first of them has been passed on to the last cost a hundred times as much."""
    model, symbols = build_model("lstm", hidden_size=8), text(4000)
    model.get_parameter("bias").data[8:16] = 12.0
    runs, score = [], evaluation._score
    monkeypatch.setattr(evaluation, "_score", lambda *args, **kwargs: runs.append(1) or score(*args, **kwargs))
    assert evaluate(model, symbols, streams=32, overlap=50) == pytest.approx(one_reader(model, symbols), rel=1e-12)
    assert len(runs) == 2 * evaluation.RUNS + 1


def test_a_short_memory_is_read_once() -> None:
    """What is reported for a model that forgets within the warm-up is the fixed warm-up's number, to the last digit."""
    model, symbols = short_memory("lstm"), text(2000)
    assert evaluate(model, symbols, streams=8) == evaluate(model, symbols, streams=8, tolerance=math.inf)


def test_a_model_that_has_diverged_is_read_once() -> None:
    model, symbols = build_model("lstm"), text(2000)
    model.get_parameter("readout").data.fill_(math.nan)
    assert math.isnan(evaluate(model, symbols, streams=8, overlap=10))


def test_without_overlap_the_parts_start_from_nothing() -> None:
    model, symbols = build_model("lstm"), text(300)
    split = evaluate(model, symbols, streams=30, overlap=0)
    assert abs(split - one_reader(model, symbols)) > 1e-6


@given(count=st.integers(2, 400), streams=st.integers(1, 70), overlap=st.integers(0, 500), piece=st.integers(1, 300))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_every_symbol_but_the_first_is_scored_once(count: int, streams: int, overlap: int, piece: int) -> None:
    """A model that says the same whatever it reads: its score is a plain mean over the symbols scored."""
    model, symbols = build_model("rnn"), text(count, seed=count)
    model.get_parameter("readout").data.zero_()
    model.get_parameter("readout_bias").data = torch.tensor([0.0, 1.0, -2.0, 0.5], dtype=torch.float64)
    bits = -torch.log_softmax(model.get_parameter("readout_bias").data, 0) / math.log(2)
    found = evaluate(model, symbols, streams=streams, overlap=overlap, piece=piece)
    assert found == pytest.approx(bits[symbols[1:]].mean().item(), rel=1e-12)


def test_the_piece_changes_nothing() -> None:
    model, symbols = build_model("gru"), text(700)
    results = [evaluate(model, symbols, streams=5, overlap=50, piece=piece) for piece in (1, 13, 10_000)]
    assert results == pytest.approx([results[0]] * 3, rel=1e-13)
