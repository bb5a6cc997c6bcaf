"""Distant brackets: the text, its floor and what a model without recall reaches."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Progress
from artbp_exp.tasks.brackets import build
from artbp_exp.tasks.text.lines import Lines


def lines(task: Lines, stream: int, **how: Any) -> list[str]:
    """Whole lines of a stream as text, the letters written a, b, …"""
    symbols = how["symbols"][:, stream]
    alphabet = [chr(97 + k) for k in range(task.shapes["vocabulary"] - 3)] + ["[", "]", "\n"]
    return "".join(alphabet[k] for k in symbols).split("\n")[1:-1]


@pytest.mark.parametrize(("string", "gaps"), [(1, (5, 5)), (3, (0, 4)), (10, (0, 0)), (2, (7, 9))])
def test_every_line_repeats_its_string_after_the_gap(string: int, gaps: tuple[int, int]) -> None:
    task = build(string=string, shortest_gap=gaps[0], longest_gap=gaps[1], letters=8)
    symbols, recalls = task.text.draw(np.random.default_rng(0), 600, 4)
    assert symbols.shape == recalls.shape == (601, 4)
    found = [line for stream in range(4) for line in lines(task, stream, symbols=symbols)]
    assert len(found) > 50
    for line in found:
        assert line[0] == "["
        assert line[string + 1] == "]"
        assert line[-string - 2 :] == f"[{line[1 : string + 1]}]"
    assert {len(line) - 4 - 2 * string for line in found} == set(range(gaps[0], gaps[1] + 1))


def test_what_is_recalled_is_the_second_string_of_a_line_that_was_seen_whole() -> None:
    task = build(string=2, shortest_gap=1, longest_gap=3)
    symbols, recalls = task.text.draw(np.random.default_rng(1), 400, 8)
    for stream in range(8):
        column, marked = symbols[:, stream].tolist(), recalls[:, stream].tolist()
        ends = [-1, *(t for t, symbol in enumerate(column) if symbol == 12)]
        wanted = {t for begin, end in itertools.pairwise(ends) if begin >= 0 for t in (end - 3, end - 2)}
        last = {t for t, mark in enumerate(marked) if mark and t > ends[-1]}  # of a line without its end
        assert {t for t, mark in enumerate(marked) if mark} == wanted | last
        assert len(last) <= 2


def test_streams_begin_at_any_place_of_a_line() -> None:
    task = build()
    symbols, _ = task.text.draw(np.random.default_rng(2), 30, 2000)
    first_ends = (symbols == 12).argmax(axis=0)
    assert np.bincount(first_ends, minlength=12).min() > 100
    assert first_ends.max() == 11


@pytest.mark.parametrize(
    ("settings", "floor", "no_recall"),
    [
        ({}, 1.661, 1.938),
        ({"string": 10, "shortest_gap": 0, "longest_gap": 0, "letters": 8}, 1.2, 2.4),
    ],
)
def test_the_published_floors(settings: dict[str, Any], floor: float, no_recall: float) -> None:
    task = build(**settings)
    assert task.text.floor == pytest.approx(floor, abs=5e-4)
    assert task.text.no_recall == pytest.approx(no_recall, abs=5e-4)


class Oracle(RecurrentModel):
    """Knows the grammar; with `recall` it copies the string, otherwise it guesses its letters."""

    def __init__(self, task: Lines, *, string: int, gaps: tuple[int, int], recall: bool) -> None:
        super().__init__()
        self._string, self._gaps, self._recall = string, gaps, recall
        self._letters = task.shapes["vocabulary"] - 3

    def init_state(self, batch_size: int) -> list[list[int]]:
        return [[] for _ in range(batch_size)]

    def step(self, inputs: Any, state: Any) -> Any:
        raise NotImplementedError

    def forward(self, inputs: torch.Tensor, state: Any) -> Any:
        rows = [[self._predict(state[b], int(row[b])) for b in range(len(state))] for row in inputs]
        return torch.tensor(rows).log(), state

    def _predict(self, seen: list[int], symbol: int) -> list[float]:
        letters, string = self._letters, self._string
        seen.append(symbol)
        if symbol == letters + 2:
            seen.clear()
        place, gap = len(seen), len(seen) - string - 2
        again = seen.index(letters, 1) if letters in seen[1:] else None
        chances = [1e-30] * (letters + 3)
        guess = [1 / letters] * letters
        if place == 0:
            chances[letters] = 1.0
        elif again is not None and place - again - 1 < string:
            copied = seen[1 + place - again - 1]
            chances[:letters] = [float(k == copied) or 1e-30 for k in range(letters)] if self._recall else guess
        elif again is not None:
            chances[letters + 1 if place - again - 1 == string else letters + 2] = 1.0
        elif place <= string:
            chances[:letters] = guess
        elif gap < 0:
            chances[letters + 1] = 1.0
        else:
            ends = 1 / (self._gaps[1] - gap + 1) if gap >= self._gaps[0] else 0.0
            chances[:letters] = [max(1e-30, (1 - ends) / letters)] * letters
            chances[letters] = max(1e-30, ends)
        return chances


@pytest.mark.parametrize("recall", [True, False])
@pytest.mark.parametrize(("string", "gaps"), [(1, (5, 5)), (2, (1, 4))])
def test_who_knows_the_grammar_reaches_the_floor_with_recall_and_the_other_level_without(
    string: int, gaps: tuple[int, int], recall: bool
) -> None:
    task = build(string=string, shortest_gap=gaps[0], longest_gap=gaps[1])
    oracle = Oracle(task, string=string, gaps=gaps, recall=recall)
    symbols, recalls = task.text.draw(np.random.default_rng(5), 4000, 8)
    logits, _ = oracle(torch.from_numpy(symbols[:-1]), oracle.init_state(8))
    bits = -torch.log_softmax(logits.double(), -1).gather(-1, torch.from_numpy(symbols[1:])[..., None])[..., 0]
    bits = bits[24:] / math.log(2)  # from the first whole line on
    assert bits.mean().item() == pytest.approx(task.text.floor if recall else task.text.no_recall, abs=0.01)
    assert bits[torch.from_numpy(recalls[25:])].mean().item() == pytest.approx(0 if recall else math.log2(10), abs=1e-6)


def test_each_pass_has_lines_of_its_own_and_validation_has_not() -> None:
    tasks = [build(steps=50), build(steps=50)]
    rng = np.random.default_rng(0)
    tasks[0].begin_pass(rng)
    first = tasks[0].window(0, 50)[0]
    tasks[0].begin_pass(rng)
    assert not torch.equal(tasks[0].window(0, 50)[0], first)
    rows = []
    for task in tasks:
        model = Uniform()
        progress = Progress(step=6, passes=1, row_loss=6.0, row_steps=6, lengths={2: 1, 4: 1})
        rows.append(task.row(progress, model))
    assert rows[0] == rows[1]
    assert rows[0]["valid_bpc"] == pytest.approx(math.log2(13))
    assert rows[0]["recall_bits"] == pytest.approx(math.log2(13))
    assert "without recall 1.9378" in tasks[0].headline(tasks[0].summary(rows))


class Uniform(RecurrentModel):
    def init_state(self, batch_size: int) -> None:
        return None

    def step(self, inputs: Any, state: Any) -> Any:
        raise NotImplementedError

    def forward(self, inputs: torch.Tensor, state: Any) -> Any:
        return torch.zeros(*inputs.shape, 13), state


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"letters": 1}, "task.letters must be a whole number ≥ 2"),
        ({"string": 0}, "task.string"),
        ({"shortest_gap": 6}, "task.longest_gap=5 is less than task.shortest_gap=6"),
        ({"shortest_gap": -1}, "task.shortest_gap"),
        ({"steps": 0}, "task.steps"),
        ({"carry_state": 1}, "task.carry_state must be true or false"),
    ],
)
def test_bad_settings_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        build(**wrong)
