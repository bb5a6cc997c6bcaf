"""Handwritten digits of 8 × 8 pixels, read pixel by pixel: scikit-learn's copy of the UCI test set (Alpaydin 1998)."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.tasks.base import Levels
from artbp_exp.tasks.losses import MISSING, cross_entropy
from artbp_exp.tasks.trials import HELD_OUT_SEED, IDLE, Data, Trials, in_a_row

TRAINING, PIXELS, CLASSES = 1400, 64, 10
"""Images to train on, of 1797; the others are held out."""


def load() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images as rows of pixels in [0, 1], (1797, 64), and their digits, in the order of the split."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UserError("task=digits needs the package scikit-learn: pip install '.[digits]'") from error
    pixels, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(HELD_OUT_SEED).permutation(len(digits))
    return (pixels[order] / 16).astype(np.float32), digits[order].astype(np.int64)


def shown(rng: np.random.Generator, pixels: NDArray[np.float32], digits: NDArray[np.int64], *, streams: int) -> Data:
    """Images (N, 64) one after the other, each an episode of 3 + 64 steps, its digit the target of the last pixel.

    0 to 3 idle steps, drawn, stand before an image; what is left of the 3 ends its episode. They are black. N is a
    multiple of B, the number of streams.
    """
    trial, start = np.arange(len(digits)), rng.integers(0, IDLE + 1, len(digits))
    inputs = np.zeros((IDLE + PIXELS, len(digits), 1), dtype=np.float32)
    targets = np.full((IDLE + PIXELS, len(digits)), MISSING)
    inputs[start + np.arange(PIXELS)[:, None], trial, 0] = pixels.T
    targets[start + PIXELS - 1, trial] = digits
    return in_a_row(inputs, streams), in_a_row(targets, streams)


def draw(
    rng: np.random.Generator, steps: int, streams: int, *, pixels: NDArray[np.float32], digits: NDArray[np.int64]
) -> Data:
    """The training images in an order drawn anew, as many as there are episodes in `steps` steps of B streams."""
    chosen = rng.permutation(len(digits))[: steps // (IDLE + PIXELS) * streams]
    return shown(rng, pixels[chosen], digits[chosen], streams=streams)


def build(*, epochs: int = 20, batch_size: int = 20, rows_per_epoch: int = 1) -> Trials:
    """Digits: 64 pixels, one a step, then which digit it was; a loss at the last pixel only.

    1400 images to train on, 397 held out, a fixed split. Chance is the cross-entropy of the held-out digits under their
    frequencies in the training images, which is all that a model can say that saw nothing: near ln 10 = 2.303. The
    floor is 0, a bound: the least possible loss on these images is not known.

    Args:
        epochs: passes over the training images.
        batch_size: B ≤ 1400 images read in parallel; images that fill no whole batch are left out of a pass.
        rows_per_epoch: rows of metrics.

    Raises:
        UserError: a value out of range, or scikit-learn is not installed.
    """
    batch_size = checks.whole("task.batch_size", batch_size, at_least=1)
    if batch_size > TRAINING:
        raise UserError(f"task.batch_size={batch_size} is more than the {TRAINING} training images; take fewer")
    pixels, digits = load()
    frequencies = np.bincount(digits[:TRAINING], minlength=CLASSES) / TRAINING
    held_out = pixels[TRAINING:], digits[TRAINING:]
    return Trials(
        name="digits",
        draw=partial(draw, pixels=pixels[:TRAINING], digits=digits[:TRAINING]),
        held_out=shown(np.random.default_rng(HELD_OUT_SEED), *held_out, streams=len(held_out[1])),
        loss=cross_entropy,
        levels=Levels(chance=float(-np.log(frequencies[held_out[1]]).mean()), floor=0.0),
        shapes={"vocabulary": 1, "outputs": CLASSES},
        steps=(IDLE + PIXELS) * (TRAINING // batch_size),
        episode=IDLE + PIXELS,
        passes=checks.whole("task.epochs", epochs, at_least=1),
        batch_size=batch_size,
        rows=checks.whole("task.rows_per_epoch", rows_per_epoch, at_least=1),
    )
