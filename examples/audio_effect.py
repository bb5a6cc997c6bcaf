"""An audio effect learnt sample by sample: a warm-up without gradient, and a loss on one sample in eight.

The target is a plucked tone through a soft clipper and a slow level detector. As usual for such models, the state
first runs over 200 samples without gradient, so that training does not start from an empty memory. The loss reads the
last sample of each frame of eight (many-to-one): a segment may have no loss at all, hence the `if`. The error is
divided by the energy of the whole target, a constant; the energy of the segment would bias the gradient.

Expected output (seconds on one core):

    pass 1: error-to-signal ratio 0.48
    pass 4: error-to-signal ratio 0.10
    certified: True
"""

import math

import numpy as np
import torch
from torch import nn

import artbp_exp as artbp

BATCH, WARM_UP, SAMPLES, FRAME, LENGTH = 8, 200, 1600, 8, 64


def render():
    time = torch.arange(WARM_UP + SAMPLES)[:, None] / 8000  # (T, B) at 8 kHz
    pitch = 110 * 2 ** (torch.arange(BATCH) / 12)
    pluck = torch.exp(-8 * (time % 0.1))
    dry = pluck * (torch.sin(2 * math.pi * pitch * time) + 0.3 * torch.sin(4 * math.pi * pitch * time))
    wet, level = [], torch.zeros(BATCH)
    for sample in dry:
        level = 0.98 * level + 0.02 * sample.abs()
        wet.append(torch.tanh(3 * sample) / (1 + 4 * level))
    return dry[:, :, None], torch.stack(wet)[:, :, None]


class Effect(nn.Module):
    def __init__(self, hidden=16):
        super().__init__()
        self.lstm, self.mix = nn.LSTM(1, hidden), nn.Linear(hidden, 1)


torch.manual_seed(0)
dry, wet = render()
model = Effect()
optimizer = artbp.Adam(model.parameters(), lr=1e-2, length=LENGTH)
scheme, rng = artbp.artbp(length=LENGTH, alpha=5), np.random.default_rng(0)
energy = wet[WARM_UP + FRAME - 1 :: FRAME].square().sum() * LENGTH / SAMPLES  # of L0 samples, on average


def segment_loss(start, segment, state):
    first, stop = WARM_UP + start, WARM_UP + start + segment.length
    hidden, state = artbp.unroll_blocks(model.lstm, dry[first:stop], state, segment)
    read = torch.arange(start, start + segment.length) % FRAME == FRAME - 1
    error = (model.mix(hidden) - wet[first:stop])[read].square().sum() if read.any() else 0.0
    return error / energy, artbp.detach(state)


def warm_up():
    with torch.no_grad():
        return model.lstm(dry[:WARM_UP])[1]


for epoch in range(1, 5):
    state, total = warm_up(), 0.0
    for start, segment in scheme.segments(SAMPLES, rng):
        loss, state = segment_loss(start, segment, state)
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step(length=segment.length)
        total += loss.item()
    if epoch in (1, 4):
        print(f"pass {epoch}: error-to-signal ratio {total * LENGTH / SAMPLES:.2f}")

report = artbp.verify(segment_loss, model, artbp.artbp(length=3, alpha=4), state=warm_up(), steps=8)
print("certified:", report.certified)
