"""Sparse attentive backtracking (Ke et al. 2018): attention over an episode's own past carries the gradient back."""

from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp import checks, registry
from artbp_exp.autograd.state import State, detach, fill, flatten
from artbp_exp.models.character import CharacterModel, uniform
from artbp_exp.recurrent import RecurrentModel

CELLS = ("authors", "gru", "lstm", "rnn")

SMALLEST = 1e-8
"""Least sum of the surviving scores that they are divided by."""


class SparseAttention(RecurrentModel):
    """ĥ_t, c_t = cell(x_t, h_{t−1}, c_{t−1});  h_t = ĥ_t + Σ_i a_i m_i;  what is read out is [h_t; Σ_i a_i m_i].

    The memory m holds every `every`-th h of the episode. With the scores r_i = wᵀ tanh([ĥ_t; m_i]),

        a_i = max(0, r_i − r*) / Σ_j max(0, r_j − r*),    r* the (`top` + 1)-th largest score,

    so that `top` entries survive. While there are no more than that, r* is −‖w‖₁, which no score is below, and all do.
    h and c are detached every `truncate` steps, the memory never: the gradient flows through a and m_i into the old h,
    and from there back to the detach before it. The state grows, so it is for episodes, and no method may cut them. Its
    gradient is that of this model with its own detaches: `top` = 0 is truncated BPTT of the cell, and no detach within
    an episode is full BPTT of the attentive model. h is the first leaf of the cell's state, and its output.

    (As published, a score is the sum of a term of ĥ_t and one of m_i; where r* is a score, ĥ_t decides nothing.)
    """

    grows = True

    def __init__(
        self, cell: CharacterModel, *, truncate: int, top: int, every: int, outputs: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.cell, self.truncate, self._top, self._every = cell, truncate, top, every
        self.query = nn.Parameter(uniform(1, 2 * cell.hidden_size, generator=generator)[0])
        self.recalled = nn.Parameter(uniform(outputs, cell.hidden_size, generator=generator))

    def init_state(self, batch_size: int) -> State:
        """(the cell's state; memory (B, M, H) and its terms of the scores (B, M), M = 0; steps done)."""
        empty = self.cell.zeros(batch_size)
        return self.cell.init_state(batch_size), empty[:, None][:, :0], empty[:, :0], 0

    def encode(self, inputs: Tensor) -> Tensor:
        """The cell's."""
        return self.cell.encode(inputs)

    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step → [h_t; Σ a m] (B, 2H), state."""
        inner, memory, scores, done = state
        if done and self.truncate is not None and done % self.truncate == 0:
            inner = detach(inner)
        hidden, inner = self.cell.step(inputs, inner)
        if self._top == 0:
            return torch.cat([hidden, torch.zeros_like(hidden)], 1), (inner, memory, scores, done + 1)
        ours, theirs = self.query.chunk(2)
        summary = self._attend(torch.tanh(hidden) @ ours, memory, scores)
        hidden = hidden + summary
        inner = fill(inner, [hidden, *flatten(inner)[1:]])
        if (done + 1) % self._every == 0:
            memory = torch.cat([memory, hidden[:, None]], 1)
            scores = torch.cat([scores, (torch.tanh(hidden) @ theirs)[:, None]], 1)
        return torch.cat([hidden, summary], 1), (inner, memory, scores, done + 1)

    def _attend(self, ours: Tensor, memory: Tensor, scores: Tensor) -> Tensor:
        """Σ_i a_i m_i, (B, H): `ours` (B,) is what ĥ_t adds to the score of every entry."""
        found = ours[:, None] + scores
        if memory.shape[1] > self._top:
            best, index = found.topk(self._top + 1, dim=1)
            found, least = best[:, :-1], best[:, -1:]
            memory = memory.gather(1, index[:, :-1, None].expand(-1, -1, memory.shape[2]))
        else:
            least = -self.query.abs().sum()
        kept = found - least
        weights = kept / kept.sum(1, keepdim=True).clamp_min(SMALLEST)
        return (weights[..., None] * memory).sum(1)

    def decode(self, outputs: Tensor) -> Tensor:
        """[h_t; Σ a m] (n, B, 2H) → (n, B, `outputs`)."""
        hidden, summary = outputs.chunk(2, dim=-1)
        return self.cell.decode(hidden) + nn.functional.linear(summary, self.recalled)


def build(
    *,
    cell: str = "lstm",
    hidden_size: int,
    input_std: float = 1.0,
    truncate: int = 5,
    top: int = 5,
    every: int = 1,
    vocabulary: int,
    generator: torch.Generator,
    outputs: int | None = None,
) -> SparseAttention:
    """A recurrent cell with sparse attention over the episode.

    Args:
        cell: `lstm`, `gru`, `rnn` or `authors`.
        hidden_size: H.
        input_std: of the cell's tables.
        truncate: steps between two detaches of the cell's state.
        top: entries of the memory that survive; 0: no attention.
        every: steps between two entries.
        vocabulary: see `CharacterModel`.
        generator: the stream of initial weights.
        outputs: likewise.

    Raises:
        UserError: a value out of range, or an unknown cell.
    """
    settings = {"name": checks.choice("model.cell", cell, CELLS), "hidden_size": hidden_size, "input_std": input_std}
    inner = registry.build("model", settings, vocabulary=vocabulary, generator=generator, outputs=outputs)
    return SparseAttention(
        inner,
        truncate=checks.whole("model.truncate", truncate, at_least=1),
        top=checks.whole("model.top", top),
        every=checks.whole("model.every", every, at_least=1),
        outputs=outputs or vocabulary,
        generator=generator,
    )
