"""Loops as people write them, converted as a newcomer would: certified, or refused with the cause in a line."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import artbp_exp as artbp
from artbp_exp.errors import UserError

T, B, V, H = 5, 3, 5, 3
ARTBP = artbp.artbp(length=2.5, alpha=4)
G = torch.Generator().manual_seed(0)
TOKENS = torch.randint(V, (T + 1, B), generator=G)
X, Y = torch.randn(T, B, 2, generator=G), torch.randn(T, B, 1, generator=G)
MASK = (torch.rand(T, B, generator=G) > 0.4).float().index_fill(1, torch.tensor([0]), 1.0)  # no step without any
CELL, READ = nn.LSTMCell(2, H), nn.Linear(H, 1)
BY_HAND = nn.ModuleList([CELL, READ])


def verdict(segment_loss: Any, model: Any, state: Any = None) -> str:
    return str(artbp.verify(segment_loss, model, ARTBP, state=state, steps=T)).splitlines()[-1]


def zeros() -> tuple[Tensor, Tensor]:
    return torch.zeros(B, H), torch.zeros(B, H)


class LanguageModel(nn.Module):
    """Embedding, dropout, recurrence, and a decoder with the embedding's weights."""

    def __init__(self, *, dropout: float = 0.0, batch_first: bool = False) -> None:
        super().__init__()
        self.drop, self.encoder, self.decoder = nn.Dropout(dropout), nn.Embedding(V, H), nn.Linear(H, V)
        self.rnn = nn.LSTM(H, H, 2, dropout=dropout, batch_first=batch_first)
        self.decoder.weight = self.encoder.weight
        self.flat = not batch_first

    def forward(self, symbols: Tensor, hidden: Any) -> tuple[Tensor, Any]:
        output, hidden = self.rnn(self.drop(self.encoder(symbols)), hidden)
        logits = self.decoder(self.drop(output))
        return logits.view(-1, V) if self.flat else logits, hidden

    def start(self) -> tuple[Tensor, Tensor]:
        return torch.zeros(2, B, H), torch.zeros(2, B, H)


def word_language_model(model: LanguageModel, reduction: str) -> Any:
    def segment_loss(start: int, segment: artbp.Segment, hidden: Any) -> tuple[Tensor, Any]:
        stop = start + segment.length
        hidden = tuple(h.detach() for h in hidden)  # before the segment, as most loops do it
        output, hidden = artbp.unroll_blocks(model, TOKENS[start:stop], hidden, segment)
        return functional.cross_entropy(output, TOKENS[start + 1 : stop + 1].view(-1), reduction=reduction), hidden

    return segment_loss


def test_a_language_model_whose_rows_are_flattened_and_whose_state_is_detached_first() -> None:
    model = LanguageModel()
    assert verdict(word_language_model(model, "sum"), model, model.start()) == "verdict: certified"
    said = verdict(word_language_model(model, "mean"), model, model.start())
    assert "divided by a constant, B·L0 say, not by the number in the segment" in said


def test_dropout_of_a_recurrent_module_is_switched_off_by_name() -> None:
    model = LanguageModel(dropout=0.2)
    with pytest.raises(UserError, match=r"switch dropout off while you verify: model\.rnn\.dropout = 0, and nn"):
        verdict(word_language_model(model, "sum"), model, model.start())


def test_a_wrapper_must_say_whether_it_is_batch_first() -> None:
    model: Any = LanguageModel(batch_first=True)

    def segment_loss(start: int, segment: artbp.Segment, hidden: Any) -> tuple[Tensor, Any]:
        rows = TOKENS.t()[:, start : start + segment.length + 1]
        output, hidden = artbp.unroll_blocks(model, rows[:, :-1], hidden, segment)
        loss = functional.cross_entropy(output.reshape(-1, V), rows[:, 1:].reshape(-1), reduction="sum")
        return loss, artbp.detach(hidden)

    with pytest.raises(
        UserError, match=r"rnn is batch_first, and LanguageModel does not say .*model\.batch_first = True"
    ):
        verdict(segment_loss, model)
    model.batch_first = True
    assert verdict(segment_loss, model) == "verdict: certified"
    model.batch_first = False
    with pytest.raises(UserError, match=r"its dimension 1 is: hand in inputs\.transpose\(0, 1\)"):
        verdict(segment_loss, model)


def test_as_many_streams_as_steps_are_not_taken_for_steps() -> None:
    """(B, n, …) with B = n: shapes alone cannot tell; what the module returns for a block of one step can."""
    segment = ARTBP.segment(B)

    def flips(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        return x.transpose(0, 1), state

    with pytest.raises(UserError, match=r"outputs of shape \(3, 1, 2\) for 1 steps; dimension 0 is not that"):
        artbp.unroll_blocks(flips, torch.zeros(B, B, 2), None, segment)
    with pytest.raises(UserError, match=r"must return a pair, \(outputs as one tensor, state\); got Tensor"):
        artbp.unroll_blocks(lambda x, s: x, torch.zeros(B, 1, 2), None, segment)  # type: ignore[arg-type, return-value]  # the mistake
    with pytest.raises(UserError, match=r"hand in inputs\.transpose\(0, 1\), one row a step"):
        artbp.unroll(lambda x, s: (x, s), torch.zeros(B + 1, B, 2), None, segment)
    with pytest.raises(UserError, match=r"got inputs for 2: hand in list\(zip\(\*inputs\)\), one row a step"):
        artbp.unroll(lambda x, s: (x, s), (torch.zeros(B, 2), torch.zeros(B)), None, segment)


class Keeps(nn.Module):
    """Keeps its hidden state in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.read = nn.LSTM(2, H), nn.Linear(H, 1)
        self.hidden: Any = None

    def forward(self, x: Tensor) -> Tensor:
        output, self.hidden = self.lstm(x, self.hidden)
        predicted: Tensor = self.read(output)
        return predicted


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("", "verdict: certified"),
        ("no factors", "the factors are not applied at all"),
        ("not detached", "return artbp.detach(state), and detach what a module keeps"),
    ],
)
def test_a_module_that_keeps_its_state(mistake: str, said: str) -> None:
    model = Keeps()

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        if model.hidden is not None and mistake != "not detached":
            model.hidden = tuple(h.detach() for h in model.hidden)
        loss = torch.zeros(())
        for t in range(segment.length):
            loss = loss + (model(X[start + t][None]) - Y[start + t]).square().sum()
            if mistake != "no factors":
                model.hidden = artbp.carry(model.hidden, segment.factor(t))
        return loss, state

    assert said in verdict(segment_loss, model)


MEAN = "the loss is a mean over the segment's actual length, or over its valid steps"
LOSSES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], str]] = {
    "sum": (lambda each, mask: (each * mask).sum() / (B * 2.5), "verdict: certified"),
    "mean over valid steps": (lambda each, mask: (each * mask).sum() / mask.sum().clamp(min=1), MEAN),
    "mean of the valid": (lambda each, mask: (each * mask).sum() / mask.sum(), MEAN),
    "mean": (lambda each, mask: (each * mask).mean(), MEAN),
}


@pytest.mark.parametrize("name", LOSSES)
def test_masks_over_a_cell_by_hand(name: str) -> None:
    loss, said = LOSSES[name]

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        each = []
        for t in range(segment.length):
            state = CELL(X[start + t], state)
            each.append((READ(state[0]) - Y[start + t]).square()[:, 0])
            state = artbp.carry(state, segment.factor(t))
        return loss(torch.stack(each), MASK[start : start + segment.length]), tuple(h.data for h in state)

    assert said in verdict(segment_loss, BY_HAND, zeros())


def test_a_mean_over_no_valid_steps_is_named() -> None:
    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        outputs, state = artbp.unroll(_lstm_step, X[start : start + segment.length], state, segment)
        valid = (torch.arange(start, start + segment.length) < 2).float()
        return (READ(torch.stack(outputs))[:, 0, 0] * valid).sum() / valid.sum(), artbp.detach(state)

    with pytest.raises(UserError, match=r"is nan: .* a mean over no valid steps is nan: take their sum"):
        verdict(segment_loss, BY_HAND, zeros())


def _lstm_step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
    state = CELL(x, state)
    return state[0], state


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("on the states", "the factors change the states or the loss, and they are for the gradient alone"),
        ("dropped", "the factors are not applied at all"),
        ("read by the loss", "let the loss read what was not"),
    ],
)
def test_factors_by_hand(mistake: str, said: str) -> None:
    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        loss = torch.zeros(())
        for t in range(segment.length):
            before = state = CELL(X[start + t], state)
            factor = segment.factor(t)
            if mistake == "on the states":
                state = tuple(h * factor for h in state)
            elif mistake == "dropped":
                artbp.carry(state, factor)
            else:
                state = artbp.carry(state, factor)
            loss = loss + READ((state if mistake == "read by the loss" else before)[0]).square().sum()
        return loss, artbp.detach(state)

    assert said in verdict(segment_loss, BY_HAND, zeros())


def test_packed_sequences() -> None:
    """A sequence that has ended keeps its state."""
    gru, lengths = nn.GRU(2, H, batch_first=True), torch.tensor([T, T - 1, 2])
    net = nn.ModuleList([gru, READ])

    def segment_loss(start: int, segment: artbp.Segment, state: Tensor) -> tuple[Tensor, Tensor]:
        loss = torch.zeros(())
        for t in range(segment.length):
            rows, going = X[start + t][:, None], (lengths > start + t)[None, :, None]
            output, after = gru(pack_padded_sequence(rows, torch.ones(B), batch_first=True), state)
            loss = loss + (READ(pad_packed_sequence(output)[0]) * going).sum()
            state = artbp.carry(torch.where(going, after, state), segment.factor(t))
        return loss, state.detach()

    assert verdict(segment_loss, net, torch.zeros(1, B, H)) == "verdict: certified"
    packed: Any = pack_padded_sequence(X.transpose(0, 1), lengths, batch_first=True)
    with pytest.raises(UserError, match="unpack it first"):
        artbp.unroll_blocks(gru, packed, None, ARTBP.segment(T))


class Memory(nn.Module):
    """Attention to the last m steps, kept in a memory, as in Transformer-XL."""

    def __init__(self, *, bounded: bool) -> None:
        super().__init__()
        self.enter, self.keys, self.read, self.bounded = nn.Linear(2, H), nn.Linear(H, 2 * H), nn.Linear(H, 1), bounded

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        n, m = x.shape[0], memory.shape[0]
        seen = torch.cat([memory, self.enter(x)])
        keys, values = self.keys(seen).chunk(2, -1)
        ahead = torch.arange(n + m) - torch.arange(n)[:, None] - m
        allowed = (ahead <= 0) & ((ahead >= -m) if self.bounded else True)
        scores = torch.einsum("ibh,jbh->bij", seen[m:], keys).masked_fill(~allowed, -1e9)
        return self.read(torch.einsum("bij,jbh->ibh", scores.softmax(-1), values)), seen[n:]


@pytest.mark.parametrize("bounded", [True, False])
def test_a_memory_of_the_last_steps(bounded: bool) -> None:
    model = Memory(bounded=bounded)

    def segment_loss(start: int, segment: artbp.Segment, memory: Tensor) -> tuple[Tensor, Tensor]:
        stop = start + segment.length
        output, memory = artbp.unroll_blocks(model, X[start:stop], memory, segment)
        return (output - Y[start:stop]).square().sum(), artbp.detach(memory)

    said = "verdict: certified" if bounded else "cuts change the loss"
    assert said in verdict(segment_loss, model, torch.zeros(2, B, H))


class TwoCells(nn.Module):
    """Its state is a dict; the parts begin as None."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.lstm, self.read = nn.GRUCell(2, H), nn.LSTMCell(H, H), nn.Linear(H, 1)

    def forward(self, x: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        gru = self.gru(x, state["gru"])
        lstm = self.lstm(gru, state["lstm"])
        return self.read(lstm[0]), {"gru": gru, "lstm": lstm}


@pytest.mark.parametrize("around", ["", "autocast", "zero_grad"])
def test_a_dict_of_cells_under_autocast_and_beside_an_optimizer(around: str) -> None:
    model = TwoCells()
    optimizer = torch.optim.SGD(model.parameters())

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        if around == "zero_grad":
            optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=around == "autocast"):
            stop = start + segment.length
            outputs, state = artbp.unroll(model, X[start:stop], state, segment)
            return (torch.stack(outputs) - Y[start:stop]).square().sum() / 4, artbp.detach(state)

    assert verdict(segment_loss, model, {"gru": None, "lstm": None}) == "verdict: certified"
    with pytest.raises(UserError, match="segment_loss calls backward"):
        verdict(lambda *args: _update(segment_loss(*args), model, optimizer), model, {"gru": None, "lstm": None})


def _update(found: tuple[Tensor, Any], model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[float, Any]:
    loss, state = found
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item(), state
