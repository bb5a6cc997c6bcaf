"""The character task: layout of the streams, loss, marks."""

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artbp_exp.errors import UserError
from artbp_exp.tasks.base import Progress
from artbp_exp.tasks.ptb import PennTreebank, build
from tests.cells import build_model


def small(**changes: Any) -> PennTreebank:
    parts = {"train": np.arange(23) % 4, "valid": np.arange(9) % 4, "test": np.arange(8) % 4}
    usual = {"batch_size": 3, "epochs": 2, "carry_state": True, "divergence": 100.0, "rows_per_epoch": 4}
    return PennTreebank(parts=parts, vocabulary=4, **(usual | changes))


def test_streams_are_contiguous_and_read_from_start_to_end() -> None:
    train = np.arange(23) % 4
    task = small()
    assert task.steps == 6  # 23 // 3 = 7 symbols a stream, the last only a target
    inputs, targets = task.window(0, task.steps)
    assert inputs.shape == targets.shape == (6, 3)
    for stream in range(3):
        own = train[7 * stream : 7 * stream + 7]
        assert inputs[:, stream].tolist() == own[:-1].tolist()
        assert targets[:, stream].tolist() == own[1:].tolist()


def test_windows_follow_each_other() -> None:
    task = small()
    pieces = [task.window(a, b)[0] for a, b in ((0, 2), (2, 3), (3, 6))]
    assert torch.equal(torch.cat(pieces), task.window(0, 6)[0])


def test_loss_is_summed_over_steps_and_averaged_over_streams() -> None:
    task = small()
    logits = torch.randn(5, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = torch.randint(4, (5, 3), generator=torch.Generator().manual_seed(1))
    wanted = -torch.log_softmax(logits, -1).gather(-1, targets[..., None]).sum() / 3
    torch.testing.assert_close(task.loss(logits, targets), wanted, rtol=1e-14, atol=0)
    halves = task.loss(logits[:2], targets[:2]) + task.loss(logits[2:], targets[2:])
    torch.testing.assert_close(halves, wanted, rtol=1e-14, atol=0)


@pytest.mark.parametrize("rows", [1, 2, 4, 20])
def test_marks_ascend_within_an_epoch(rows: int) -> None:
    task = small(rows_per_epoch=rows)
    marks = task.marks()
    assert marks == sorted(set(marks))
    assert len(marks) == min(rows, task.steps) - 1  # no more rows than steps
    assert all(0 < mark < task.steps for mark in marks)


def test_a_row_closes_an_epoch_with_held_out_scores_and_only_then() -> None:
    task, model = small(), build_model("rnn")
    common = {"step": 6, "row_loss": 6 * math.log(2), "row_steps": 6, "lengths": {2: 1, 4: 1}, "training_seconds": 2.0}
    within = task.row(Progress(passes=0, at_pass_end=False, **common), model)
    closing = task.row(Progress(passes=1, at_pass_end=True, **common), model)
    assert tuple(closing) == tuple(within) == task.columns
    assert within["valid_bpc"] is None
    assert (within["epoch"], closing["epoch"]) == (1, 1)
    assert closing["train_bpc"] == pytest.approx(1.0)
    assert closing["symbols_per_second"] == 9.0
    assert task.score(within) is None
    assert task.score(closing) == closing["valid_bpc"] > 0


def test_test_is_reported_at_the_epoch_with_the_best_valid() -> None:
    rows = [
        {"epoch": e, "step": e, "valid_bpc": valid, "test_bpc": 10.0 * e}
        for e, valid in ((1, 3.0), (1, None), (2, 2.0), (3, 2.5))
    ]
    summary = small().summary(rows)
    assert (summary["valid_bpc"], summary["test_bpc"], summary["best_epoch"], summary["epochs"]) == (2.0, 20.0, 2, 3)
    assert small().summary(rows[1:2])["valid_bpc"] is None
    assert small().headline(small().summary(rows[1:2])) == "no epoch was completed"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"batch_size": 2001}, "task.batch_size=2001 is larger than the corpus can fill"),
        ({"batch_size": 0}, "task.batch_size must be a whole number ≥ 1"),
        ({"epochs": 0}, "task.epochs"),
        ({"rows_per_epoch": 0.5}, "task.rows_per_epoch"),
        ({"carry_state": "yes"}, "task.carry_state must be true or false"),
        ({"divergence": 0}, "task.divergence"),
        ({"corpus": "txt"}, "task.corpus=txt is not known; did you mean text"),
    ],
)
def test_bad_settings_are_refused(own_corpus: Path, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        build(**({"corpus": "own", "data_dir": str(own_corpus)} | wrong))


def test_the_most_streams_that_fit_are_accepted(own_corpus: Path) -> None:
    assert build(corpus="own", data_dir=str(own_corpus), batch_size=2000).steps == 1


def test_the_checksums_of_the_corpus_are_part_of_the_task(own_corpus: Path) -> None:
    found = build(corpus="own", data_dir=str(own_corpus)).data_sha256
    assert found == {
        name: hashlib.sha256((own_corpus / name).read_bytes()).hexdigest()
        for name in ("train.txt", "valid.txt", "test.txt")
    }
