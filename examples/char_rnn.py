"""A character model: two layers of nn.LSTM, dropout between and after them, output weights tied to the embedding.

The text is a long list of products, 7*8=56; and so on, read in 16 parallel streams whose state is carried from segment
to segment. `every=5` lets cuts fall after every fifth character only, so that nn.LSTM runs five steps a call: the fused
engine, which needs no such help, takes no dropout between layers.

Expected output (seconds on one core):

    pass 1: 3.53 bits per character
    pass 2: 2.60 bits per character
    pass 3: 1.74 bits per character
    certified: True
"""

import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import artbp_exp as artbp

BATCH, STEPS, LENGTH = 16, 1000, 35


def load_text():
    draw = random.Random(0)
    products = ((draw.randint(2, 9), draw.randint(2, 9)) for _ in range(4000))
    text = "".join(f"{a}*{b}={a * b};" for a, b in products)
    vocabulary = {char: index for index, char in enumerate(sorted(set(text)))}
    ids = torch.tensor([vocabulary[char] for char in text[: BATCH * (STEPS + 1)]])
    return ids.view(BATCH, STEPS + 1).t().contiguous(), len(vocabulary)  # (T + 1, B)


class CharRNN(nn.Module):
    def __init__(self, symbols, hidden=64, dropout=0.1):
        super().__init__()
        self.embedding = nn.Embedding(symbols, hidden)
        self.lstm = nn.LSTM(hidden, hidden, num_layers=2, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.decoder = nn.Linear(hidden, symbols)
        self.decoder.weight = self.embedding.weight  # weight tying
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    def forward(self, tokens, state, segment):
        outputs, state = artbp.unroll_blocks(self.lstm, self.embedding(tokens), state, segment)
        return self.decoder(self.dropout(outputs)), state


torch.manual_seed(0)
text, symbols = load_text()
model = CharRNN(symbols)
optimizer = artbp.Adam(model.parameters(), lr=5e-3, length=LENGTH)
scheme, rng = artbp.artbp(length=LENGTH, alpha=4, every=5), np.random.default_rng(0)


def segment_loss(start, segment, state):
    stop = start + segment.length
    logits, state = model(text[start:stop], state, segment)
    loss = F.cross_entropy(logits.flatten(0, 1), text[start + 1 : stop + 1].flatten(), reduction="sum")
    return loss / (BATCH * LENGTH), artbp.detach(state)  # a sum over the segment, times a constant


for epoch in range(3):
    state, total = None, 0.0
    for start, segment in scheme.segments(STEPS, rng):
        loss, state = segment_loss(start, segment, state)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(length=segment.length)
        total += loss.item()
    print(f"pass {epoch + 1}: {total * LENGTH / STEPS / math.log(2):.2f} bits per character")

model.eval()  # of this model it changes dropout alone, which draws anew each time: ways to cut could not be compared
print("certified:", artbp.verify(segment_loss, model, artbp.artbp(length=3, alpha=4), steps=6).certified)
