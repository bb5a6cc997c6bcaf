"""What `import artbp_exp` offers: names, what they refuse, and how light it is."""

import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import artbp_exp
from artbp_exp import registry
from artbp_exp.errors import UserError

README = Path(__file__).resolve().parent.parent.parent / "README.md"


def test_every_public_name_is_there_and_no_other() -> None:
    for name in artbp_exp.__all__:
        assert getattr(artbp_exp, name) is not None
        assert name in dir(artbp_exp)
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        artbp_exp.__getattr__("nope")


def test_the_version_is_the_same_everywhere() -> None:
    for name, line in (("pyproject.toml", r'^version = "(.*)"$'), ("CITATION.cff", r"^version: (.*)$")):
        text = (README.parent / name).read_text(encoding="utf-8")
        assert re.findall(line, text, re.MULTILINE) == [artbp_exp.__version__]


def test_every_scheme_is_public() -> None:
    assert set(registry.names("method", package=registry.SCHEMES)) <= set(artbp_exp.__all__)
    assert all(
        getattr(artbp_exp, name) is registry.builder("method", name)
        for name in registry.names("method", package=registry.SCHEMES)
    )


def test_importing_the_package_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, artbp_exp; print(*sorted({'torch', 'numpy', 'hydra', 'pandas', 'lightning'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    cut = "import sys, artbp_exp; artbp_exp.artbp(length=5, alpha=4); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", cut], check=True)


def test_segments_cover_the_sequence_and_take_one_number_each() -> None:
    scheme, rng, same = artbp_exp.artbp(length=4, alpha=4), np.random.default_rng(1), np.random.default_rng(1)
    position = 0
    for start, segment in scheme.segments(300, rng):
        assert start == position
        assert segment.length == scheme.draw(same, 300 - start)
        np.testing.assert_array_equal(segment.factors, scheme.factors(segment.length - 1))
        assert [segment.factor(t) for t in range(segment.length)] == [*segment.factors, 1.0]
        position += segment.length
    assert position == 300
    assert rng.random() == same.random()
    assert [s.length for _, s in artbp_exp.bptt().segments(9, rng)] == [9]
    assert [s.length for _, s in artbp_exp.tbptt(length=4).segments(9, rng)] == [4, 4, 1]


def test_segments_go_on_where_they_were_left() -> None:
    scheme, steps = artbp_exp.artbp(length=4, alpha=4), 300
    whole = [(start, segment.length) for start, segment in scheme.segments(steps, np.random.default_rng(2))]
    rng, first = np.random.default_rng(2), []
    for start, segment in scheme.segments(steps, rng):
        first.append((start, segment.length))
        done = start + segment.length
        if done > 100:
            break
    saved, later = rng.bit_generator.state, np.random.default_rng()
    later.bit_generator.state = saved
    rest = [(done + start, segment.length) for start, segment in scheme.segments(steps - done, later)]
    assert first + rest == whole


def test_mistakes_are_told() -> None:
    segment = artbp_exp.artbp(length=4, alpha=4).segment(5)
    lstm = nn.LSTM(1, 2)
    with pytest.raises(UserError, match="the segment has 5 steps; got inputs for 4"):
        artbp_exp.unroll(lambda x, s: (x, s), torch.zeros(4, 1, 1), torch.zeros(1), segment)
    with pytest.raises(UserError, match=r"the segment has 5 steps; got inputs of shape \(4, 1, 1\): its dimension 0"):
        artbp_exp.unroll_blocks(lstm, torch.zeros(4, 1, 1), None, segment)
    with pytest.raises(UserError, match="dimension 1"):
        artbp_exp.unroll_blocks(nn.GRU(1, 2, batch_first=True), torch.zeros(5, 4, 1), None, segment)
    with pytest.raises(UserError, match="bidirectional"):
        artbp_exp.unroll_blocks(nn.LSTM(1, 2, bidirectional=True), torch.zeros(5, 1, 1), None, segment)
    packed = nn.utils.rnn.pack_sequence([torch.zeros(5, 1)])
    with pytest.raises(UserError, match="got PackedSequence: unpack it first"):
        artbp_exp.unroll_blocks(lstm, packed, None, segment)
    with pytest.raises(UserError, match="must be a number ≥ 1; got 0"):
        artbp_exp.artbp(length=0, alpha=4)


@pytest.mark.parametrize(
    ("returned", "got"),
    [(torch.zeros(2, 3), "Tensor"), ((1, 2, 3), "3 things"), (None, "NoneType")],
    ids=["a tensor of two rows", "three", "nothing"],
)
def test_a_step_that_returns_no_pair_is_refused(returned: Any, got: str) -> None:
    with pytest.raises(UserError, match=f"step must return a pair.*got {got}"):
        artbp_exp.unroll(lambda x, s: returned, torch.zeros(1, 2), torch.zeros(2, 3), artbp_exp.bptt().segment(1))


def test_what_is_no_segment_no_length_and_no_stream_is_refused() -> None:
    scheme: Any = artbp_exp.artbp(length=np.int64(4), alpha=np.float32(4))
    wrong: Any = 5
    with pytest.raises(UserError, match=r"segment must be one of scheme.segments\(…\); got int"):
        artbp_exp.unroll(lambda x, s: (x, s), torch.zeros(5, 1), torch.zeros(1), wrong)
    with pytest.raises(UserError, match=r"segment must be one of scheme.segments\(…\); got int"):
        artbp_exp.unroll_blocks(nn.GRU(1, 2), torch.zeros(5, 1, 1), None, wrong)
    for length in (0, -1, 2.5):
        with pytest.raises(UserError, match="length of a segment must be a whole number ≥ 1"):
            scheme.segment(length)
        with pytest.raises(UserError, match="steps must be a whole number ≥ 1"):
            next(scheme.segments(length, np.random.default_rng(0)))
    for stream in (0, None, torch.Generator()):
        with pytest.raises(UserError, match="rng must be a numpy"):
            next(scheme.segments(10, stream))
    segment = scheme.segment(5)
    for step in (-1, 5):
        with pytest.raises(UserError, match=f"the segment has steps 0 to 4; got step {step}"):
            segment.factor(step)


@pytest.mark.parametrize(
    ("hazard", "said"),
    [
        (lambda lag: 0.3, r"it returned shape \(\)"),
        (lambda lag: np.full(3, 0.3), r"it returned shape \(3,\)"),
        (lambda lag: 1.0 / (lag - 0.5), r"must lie in \[0, 1\]"),
    ],
    ids=["a number", "another length", "above 1"],
)
def test_a_hazard_that_is_none_is_refused(hazard: Any, said: str) -> None:
    with pytest.raises(UserError, match=f"hazard of mine.*{said}"):
        artbp_exp.Scheme(name="mine", length=3, hazard=hazard).segment(8)


@pytest.mark.parametrize(
    "scheme",
    [
        artbp_exp.artbp(length=4, alpha=4),
        artbp_exp.artbp(length=8, schedule="constant", every=2),
        artbp_exp.tbptt(length=4),
        artbp_exp.bptt(),
    ],
    ids=lambda scheme: scheme.name,
)
def test_a_scheme_can_be_sent_to_another_process(scheme: Any) -> None:
    sent = pickle.loads(pickle.dumps(scheme))
    there, here = (s.segments(100, np.random.default_rng(0)) for s in (sent, scheme))
    for (_, found), (_, right) in zip(there, here, strict=True):
        np.testing.assert_array_equal(found.factors, right.factors)


def test_unroll_takes_a_list_of_anything() -> None:
    rows = [{"x": torch.ones(1), "gate": True}, {"x": torch.ones(1), "gate": False}]
    outputs, state = artbp_exp.unroll(
        lambda row, total: (row["gate"], total + row["x"]), rows, torch.zeros(1), artbp_exp.bptt().segment(2)
    )
    assert outputs == [True, False]
    assert state.item() == 2.0


def test_a_module_is_called_once_a_block() -> None:
    calls: list[int] = []

    def module(x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(x.shape[0])
        return x, state

    x, state = torch.zeros(7, 1, 1), torch.zeros(1)
    factors = np.array([1.0, 1.0, 1.5, 1.0, 1.0, 2.0])
    artbp_exp.unroll_blocks(module, x, state, artbp_exp.Segment(length=7, factors=factors))
    artbp_exp.unroll_blocks(module, x, state, artbp_exp.bptt().segment(7))
    artbp_exp.unroll_blocks(module, x, state, artbp_exp.artbp(length=3, alpha=4).segment(7))
    assert calls == [3, 3, 1, 7, *[1] * 7]
