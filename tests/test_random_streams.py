import numpy as np
import torch

from artbp_exp.random_streams import RandomStreams


def numbers(streams: RandomStreams) -> list[float]:
    return [torch.rand(1, generator=streams.weights).item(), streams.data.random(), streams.cuts.random()]


def test_a_seed_gives_three_streams_that_repeat() -> None:
    first = numbers(RandomStreams.from_seed(0))
    assert first == numbers(RandomStreams.from_seed(0))
    assert len(set(first)) == 3


def test_seeds_differ_in_every_stream_and_zero_is_a_seed_like_any_other() -> None:
    drawn = np.array([numbers(RandomStreams.from_seed(seed)) for seed in range(50)])
    assert all(len(set(column)) == 50 for column in drawn.T)


def test_drawing_from_one_stream_leaves_the_others_alone() -> None:
    used, fresh = RandomStreams.from_seed(1), RandomStreams.from_seed(1)
    torch.rand(100, generator=used.weights)
    used.data.random(100)
    assert used.cuts.random() == fresh.cuts.random()
