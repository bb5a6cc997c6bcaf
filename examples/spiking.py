"""A spiking network of snnTorch's own neurons, with surrogate gradients, on a long stream of spikes.

Two inputs spike at random. The network tells at each step which of them fired more over the last twenty steps. The
membranes are the state: they are handed to each neuron and taken back, so that the factors reach them (neurons with
`init_hidden=True` would keep them inside, out of reach). A surrogate gradient is not the derivative of the loss, and
`derivative=False` leaves that one check out; that the mean over all cuts is full BPTT's gradient is checked as ever.

Expected output (seconds on one core):

    pass 1: cross-entropy 0.63 nats a step
    pass 2: cross-entropy 0.34 nats a step
    pass 3: cross-entropy 0.24 nats a step
    certified: True
"""

import numpy as np
import snntorch as snn
import torch
import torch.nn.functional as F
from snntorch import surrogate
from torch import nn

import artbp_exp as artbp

BATCH, STEPS, LENGTH, WINDOW = 32, 400, 15, 20


def load_stream():
    rate = 0.5 + 0.3 * torch.sin(torch.arange(STEPS)[:, None] / 15 + 6 * torch.rand(BATCH))
    spikes = torch.stack([torch.bernoulli(rate), torch.bernoulli(1 - rate)], dim=-1)  # (T, B, 2)
    count = F.avg_pool1d(F.pad(spikes.permute(1, 2, 0), (WINDOW - 1, 0)), WINDOW, stride=1).permute(2, 0, 1)
    return spikes, (count[..., 0] > count[..., 1]).long()


class SpikingNet(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        gradient = surrogate.fast_sigmoid(slope=5)
        self.inputs, self.readout = nn.Linear(2, hidden), nn.Linear(hidden, 2)
        self.hidden = snn.RLeaky(beta=0.8, linear_features=hidden, spike_grad=gradient, learn_beta=True)
        self.output = snn.Leaky(beta=0.9, spike_grad=gradient, learn_beta=True, reset_mechanism="none")

    def initial_state(self):
        silent = torch.zeros(BATCH, self.inputs.out_features)
        return {"spikes": silent, "hidden": silent, "output": torch.zeros(BATCH, 2)}

    def step(self, spikes, state):
        fired, hidden = self.hidden(self.inputs(spikes), state["spikes"], state["hidden"])
        _, output = self.output(self.readout(fired), state["output"])
        return output, {"spikes": fired, "hidden": hidden, "output": output}


torch.manual_seed(0)
spikes, targets = load_stream()
model = SpikingNet()
optimizer = artbp.Adam(model.parameters(), lr=1e-2, length=LENGTH)
scheme, rng = artbp.artbp(length=LENGTH, alpha=5), np.random.default_rng(0)


def segment_loss(start, segment, state):
    stop = start + segment.length
    outputs, state = artbp.unroll(model.step, spikes[start:stop], state, segment)
    membranes = torch.stack(outputs).flatten(0, 1)
    loss = F.cross_entropy(membranes, targets[start:stop].flatten(), reduction="sum")
    return loss / (BATCH * LENGTH), artbp.detach(state)


for epoch in (1, 2, 3):
    state, total = model.initial_state(), 0.0
    for start, segment in scheme.segments(STEPS, rng):
        loss, state = segment_loss(start, segment, state)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(length=segment.length)
        total += loss.item()
    print(f"pass {epoch}: cross-entropy {total * LENGTH / STEPS:.2f} nats a step")

short, state = artbp.artbp(length=3, alpha=4), model.initial_state()
print("certified:", artbp.verify(segment_loss, model, short, state=state, steps=6, derivative=False).certified)
