"""A forecast one hour ahead: nn.GRUCell in a loop of one step, validation on the weeks that follow.

A load with a daily and a weekly period and noise. The same loop runs truncated BPTT and ARTBP: only the scheme differs.
Truncated BPTT looks back a day and is refuted: it cannot teach the model what matters for longer. Here that
does not show in the forecast. artbp.diagnose tells before training whether a truncation length is a problem at all.

Expected output (seconds on one core):

    tbptt: validation error 0.35 of the standard deviation, certified: False
    artbp: validation error 0.36 of the standard deviation, certified: True
"""

import math

import numpy as np
import torch
from torch import nn

import artbp_exp as artbp

BATCH, DAY, WEEK = 8, 24, 168
TRAIN, VALIDATION = 5 * WEEK, 2 * WEEK


def load_series():
    hours = torch.arange(TRAIN + VALIDATION + 1)[:, None] + 50 * torch.arange(BATCH)  # (T + 1, B): eight places
    day, week = torch.sin(2 * math.pi * hours / DAY), torch.sin(2 * math.pi * hours / WEEK)
    weekend = (hours % WEEK >= 5 * DAY).float()
    series = day * (1 - 0.6 * weekend) + 0.5 * week + 0.2 * torch.randn(hours.shape)
    train = series[:TRAIN]
    return ((series - train.mean()) / train.std())[:, :, None]


class Forecaster(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.hidden = hidden
        self.cell = nn.GRUCell(1, hidden)
        self.head = nn.Linear(hidden, 1)

    def step(self, value, state):  # (what the loss reads, the next state)
        state = self.cell(value, state)
        return self.head(state), state


def train(series, scheme, epochs=2):
    torch.manual_seed(0)
    model, rng = Forecaster(), np.random.default_rng(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)

    def segment_loss(start, segment, state):
        stop = start + segment.length
        outputs, state = artbp.unroll(model.step, series[start:stop], state, segment)
        loss = (torch.stack(outputs) - series[start + 1 : stop + 1]).square().sum()
        return loss / (DAY * BATCH), artbp.detach(state)

    start_state = torch.zeros(BATCH, model.hidden)
    for _ in range(epochs):
        state = start_state
        for start, segment in scheme.segments(TRAIN, rng):
            loss, state = segment_loss(start, segment, state)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():  # the state goes on where training ended
        loss, _ = segment_loss(TRAIN, artbp.bptt().segment(VALIDATION), state)
    error = math.sqrt(loss.item() * DAY / VALIDATION)
    short = artbp.tbptt(length=3) if scheme.name == "tbptt" else artbp.artbp(length=3, alpha=4)
    return error, artbp.verify(segment_loss, model, short, state=start_state, steps=6).certified


torch.manual_seed(1)
series = load_series()
for scheme in (artbp.tbptt(length=DAY), artbp.artbp(length=DAY, alpha=6)):
    error, certified = train(series, scheme)
    print(f"{scheme.name}: validation error {error:.2f} of the standard deviation, certified: {certified}")
