"""The tasks made of trials: the data are as described, and those who know or guess reach the floor and chance."""

import itertools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks import adding, anbn, copy, digits
from artbp_exp.tasks.losses import has_target
from artbp_exp.tasks.trials import Trials, in_a_row


def test_an_answer_repeats_the_symbols() -> None:
    settings = {"symbols": 4, "length": 3, "blanks": 5}
    inputs, targets = copy.draw(np.random.default_rng(0), 14 * 20, 6, **settings)
    starts = set()
    for stream in range(6):
        for begin in range(0, 280, 14):
            seen, wanted = (part[begin : begin + 14, stream] for part in (inputs, targets))
            places = np.flatnonzero(seen < 4)
            marker = int(np.flatnonzero(seen == 5)[0])
            starts.add(int(places[0]))
            assert (np.diff(places) == 1).all()
            assert marker == places[0] + 3 + 5 - 1
            assert np.flatnonzero(wanted >= 0).tolist() == [marker + 1, marker + 2, marker + 3]
            assert (wanted[marker + 1 : marker + 4] == seen[places]).all()
    assert starts == {0, 1, 2, 3}


def test_the_sum_is_that_of_one_marked_number_in_either_half() -> None:
    inputs, targets = adding.draw(np.random.default_rng(0), 10 * 30, 5, length=7)
    for stream in range(5):
        for begin in range(0, 300, 10):
            seen, wanted = inputs[begin : begin + 10, stream], targets[begin : begin + 10, stream]
            (last,) = np.flatnonzero(~np.isnan(wanted))
            first, second = np.flatnonzero(seen[:, 1]) - (last - 6)
            assert 0 <= first < 3 <= second < 7
            assert wanted[last] == pytest.approx((seen[:, 0] * seen[:, 1]).sum())


def test_pixels_are_those_of_the_image_whose_digit_is_asked_for() -> None:
    pixels, labels = digits.load()
    inputs, targets = digits.draw(np.random.default_rng(0), 67 * 3, 4, pixels=pixels[:1400], digits=labels[:1400])
    for stream in range(4):
        for begin in range(0, 201, 67):
            seen, wanted = inputs[begin : begin + 67, stream, 0], targets[begin : begin + 67, stream]
            (last,) = np.flatnonzero(wanted >= 0)
            (image,) = np.flatnonzero((pixels[:1400] == seen[last - 63 : last + 1]).all(1))[:1]
            assert wanted[last] == labels[image]


def test_held_out_digits_are_no_training_images() -> None:
    task = digits.build(batch_size=700)
    assert sum(int(has_target(part).sum()) for part in (task.window(0, task.steps)[1],)) == 1400
    assert task._held_out[1].shape[1] == 397
    assert task.levels is not None
    assert task.levels.chance == pytest.approx(np.log(10), abs=0.02)


def test_without_scikit_learn_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UserError, match=r"task=digits needs the package scikit-learn: pip install '.\[digits\]'"):
        digits.build()


class Oracle(RecurrentModel):
    """Says at the held-out trials what it was told to."""

    def __init__(self, answers: Tensor) -> None:
        super().__init__()
        self._answers = answers

    def init_state(self, batch_size: int) -> Tensor:
        return torch.zeros(batch_size, 1)

    def step(self, inputs: Any, state: Any) -> Any:
        raise NotImplementedError

    def forward(self, inputs: Tensor, state: Any) -> Any:
        start = int(state[0, 0])
        return self._answers[start : start + len(inputs)], state + len(inputs)


def sure(targets: Tensor, outputs: int) -> Tensor:
    return 60.0 * torch.nn.functional.one_hot(targets.clamp_min(0), outputs)


def even(targets: Tensor, outputs: int) -> Tensor:
    logits = torch.full((*targets.shape, outputs), -60.0)
    logits[..., : int(targets.max()) + 1] = 0.0
    return logits


@pytest.mark.parametrize(
    ("task", "knowing", "guessing", "near"),
    [
        (copy.build(episodes=1, symbols=5, blanks=3), sure, even, 1e-6),
        (adding.build(episodes=1, length=4), lambda y, n: y[..., None], lambda y, n: torch.ones(*y.shape, 1), 0.01),
        (digits.build(batch_size=700), sure, even, 0.01),
    ],
    ids=["copy", "adding", "digits"],
)
def test_who_knows_reaches_the_floor_and_who_guesses_chance(
    task: Trials, knowing: Callable[..., Tensor], guessing: Callable[..., Tensor], near: float
) -> None:
    targets, outputs = task._held_out[1], task.shapes.get("outputs", task.shapes["vocabulary"])
    assert task.levels is not None
    for answers, level in ((knowing, task.levels.floor), (guessing, task.levels.chance)):
        loss, _ = task._evaluate(Oracle(answers(targets, outputs)))
        assert loss == pytest.approx(level, abs=near)


def test_lines_have_as_many_bs_as_as_and_counting_tells_what_follows_the_first_b() -> None:
    text = anbn.Counts(6)
    symbols, told = text.draw(np.random.default_rng(0), 3000, 4)
    assert symbols.shape == told.shape == (3001, 4)
    for stream in range(4):
        written = "".join("ab\n"[k] for k in symbols[:, stream])
        marks = "".join(".x"[k] for k in told[:, stream].astype(int))
        begin = [k for k in range(1, 3001) if written[k] == "a" and written[k - 1] == "\n"]
        lengths = set()
        for start, stop in itertools.pairwise(begin):
            n = (stop - start - 2) // 2
            assert written[start:stop] == "a" * n + "\n" + "b" * n + "\n"
            assert marks[start:stop] == "." * (n + 2) + "x" * n
            lengths.add(n)
        assert lengths == {1, 2, 3, 4, 5, 6}
        assert "x" not in marks[: begin[0]]


def test_the_published_levels_of_anbn() -> None:
    task = anbn.build(steps=10)
    assert task.levels.floor == pytest.approx(0.1429, abs=5e-5)
    assert task.levels.chance == pytest.approx(0.2857, abs=5e-5)


def test_episodes_of_a_stream_follow_each_other() -> None:
    part = np.arange(24).reshape(3, 8)
    rows = in_a_row(part, 2)
    assert rows.shape == (12, 2)
    assert rows[:3, 0].tolist() == part[:, 0].tolist()
    assert rows[3:6, 1].tolist() == part[:, 3].tolist()


@pytest.mark.parametrize(
    ("build", "wrong", "says"),
    [
        (copy.build, {"symbols": 1}, "task.symbols must be a whole number ≥ 2; got 1"),
        (copy.build, {"length": 0}, "task.length"),
        (copy.build, {"blanks": 0}, "task.blanks"),
        (copy.build, {"episodes": 0}, "task.episodes"),
        (adding.build, {"length": 1}, "task.length must be a whole number ≥ 2; got 1"),
        (digits.build, {"batch_size": 1401}, "task.batch_size=1401 is more than the 1400 training images"),
        (digits.build, {"epochs": 0}, "task.epochs"),
        (anbn.build, {"longest": 1}, "task.longest must be a whole number ≥ 2; got 1"),
    ],
)
def test_bad_settings_are_refused(build: Callable[..., Any], wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        build(**wrong)
