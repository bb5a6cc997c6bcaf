"""Sequences of different lengths: a DataLoader, padding, a mask, and nn.GRU with batch_first.

The model repeats the symbol that it saw four steps earlier. Each batch is padded to its longest sequence and cut at
random; the padding is masked. The loss is divided by a constant, B·L0, and not by the number of valid steps in the
segment, which would favour segments with few of them: a bias that no factor mends.

Expected output (seconds on one core):

    epoch 1: loss 1.59 a step
    epoch 4: loss 0.53 a step
    certified: True
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

import artbp_exp as artbp

SYMBOLS, DELAY, BATCH, LENGTH, IGNORE = 6, 4, 16, 10, -100


def collate(sequences):
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    inputs = pad_sequence(sequences, batch_first=True)  # (B, T), T of the longest
    targets = F.pad(inputs, (DELAY, 0))[:, : inputs.shape[1]]
    step = torch.arange(inputs.shape[1])
    mask = (step < lengths[:, None]) & (step >= DELAY)
    return inputs, targets.masked_fill(~mask, IGNORE)


class Echo(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.gru, self.head = nn.GRU(SYMBOLS, hidden, batch_first=True), nn.Linear(hidden, SYMBOLS)

    def forward(self, inputs, state, segment):
        outputs, state = artbp.unroll_blocks(self.gru, F.one_hot(inputs, SYMBOLS).float(), state, segment)
        return self.head(outputs), state


torch.manual_seed(0)
data = [torch.randint(SYMBOLS, (int(n),)) for n in torch.randint(20, 80, (192,))]
loader = DataLoader(data, batch_size=BATCH, shuffle=True, collate_fn=collate)
model = Echo()
optimizer = artbp.Adam(model.parameters(), lr=1e-2, length=LENGTH)
scheme, rng = artbp.artbp(length=LENGTH, alpha=4), np.random.default_rng(0)


def loss_on(inputs, targets):
    def segment_loss(start, segment, state):
        part = slice(start, start + segment.length)
        logits, state = model(inputs[:, part], state, segment)
        loss = F.cross_entropy(logits.flatten(0, 1), targets[:, part].flatten(), ignore_index=IGNORE, reduction="sum")
        return loss / (BATCH * LENGTH), artbp.detach(state)

    return segment_loss


for epoch in range(1, 5):
    total = valid = 0
    for inputs, targets in loader:
        segment_loss, state = loss_on(inputs, targets), None  # each sequence begins with the zero state
        for start, segment in scheme.segments(inputs.shape[1], rng):
            loss, state = segment_loss(start, segment, state)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step(length=segment.length)
            total += loss.item() * BATCH * LENGTH
        valid += (targets != IGNORE).sum().item()
    if epoch in (1, 4):
        print(f"epoch {epoch}: loss {total / valid:.2f} a step")  # comparable whatever the lengths of segments

batch = collate([sequence[:n] for sequence, n in zip(data, (6, 5, 7), strict=False)])
print("certified:", artbp.verify(loss_on(*batch), model, artbp.artbp(length=3, alpha=4), steps=7).certified)
