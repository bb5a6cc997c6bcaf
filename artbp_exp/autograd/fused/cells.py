"""The cells that run fused, as equations; gates in torch's order."""

from typing import Any

from artbp_exp.autograd.fused.recurrence import Numbers, Recurrence, sigmoid, tanh


class LSTMRecurrence(Recurrence):
    """i, f, g, o = x + W h;  c' = σ(f)∘c + σ(i)∘tanh(g);  h' = σ(o)∘tanh(c')."""

    gates = 4
    has_cell = True

    @staticmethod
    def forward(x: Any, r: Any, memory: Numbers) -> Any:
        """See `Recurrence.forward`."""
        enter, forget = sigmoid(x[0] + r[0]), sigmoid(x[1] + r[1])
        candidate, leave = tanh(x[2] + r[2]), sigmoid(x[3] + r[3])
        after = forget * memory + enter * candidate
        return (enter, forget, candidate, leave), (), leave * tanh(after), after

    @staticmethod
    def backward(
        dh: Numbers, dm: Numbers, gates: Any, extra: Any, hidden: Numbers, before: Numbers, after: Numbers
    ) -> Any:
        """See `Recurrence.backward`."""
        enter, forget, candidate, leave = gates
        squashed = tanh(after)
        dm = dm + dh * leave * (1.0 - squashed * squashed)
        d_enter = dm * candidate * enter * (1.0 - enter)
        d_forget = dm * before * forget * (1.0 - forget)
        d_candidate = dm * enter * (1.0 - candidate * candidate)
        d_leave = dh * squashed * leave * (1.0 - leave)
        gradients = (d_enter, d_forget, d_candidate, d_leave)
        return gradients, gradients, dm * forget


class AuthorsRecurrence(Recurrence):
    """m = x_m + W_m h;  i, f, ĥ, o = x + W m;  c' = σ(f)∘c + σ(i)∘ĥ;  h' = tanh(σ(o)∘c')."""

    gates = 4
    has_cell = True

    @staticmethod
    def forward(x: Any, r: Any, memory: Numbers) -> Any:
        """See `Recurrence.forward`."""
        enter, forget = sigmoid(x[0] + r[0]), sigmoid(x[1] + r[1])
        candidate, leave = x[2] + r[2], sigmoid(x[3] + r[3])
        after = forget * memory + enter * candidate
        return (enter, forget, candidate, leave), (), tanh(leave * after), after

    @staticmethod
    def backward(
        dh: Numbers, dm: Numbers, gates: Any, extra: Any, hidden: Numbers, before: Numbers, after: Numbers
    ) -> Any:
        """See `Recurrence.backward`."""
        enter, forget, candidate, leave = gates
        inside = dh * (1.0 - hidden * hidden)  # the gradient at σ(o)∘c', inside the tanh
        dm = dm + inside * leave
        d_enter = dm * candidate * enter * (1.0 - enter)
        d_forget = dm * before * forget * (1.0 - forget)
        d_leave = inside * after * leave * (1.0 - leave)
        gradients = (d_enter, d_forget, dm * enter, d_leave)
        return gradients, gradients, dm * forget


class GRURecurrence(Recurrence):
    """r, z = σ(x + W h);  n = tanh(x_n + r∘(W_n h + b'_n));  h' = (1 − z)∘n + z∘h."""

    gates = 3
    extra = 1

    @staticmethod
    def forward(x: Any, r: Any, memory: Numbers) -> Any:
        """See `Recurrence.forward`."""
        reset, update = sigmoid(x[0] + r[0]), sigmoid(x[1] + r[1])
        new = tanh(x[2] + reset * r[2])
        after = new + update * (memory - new)
        return (reset, update, new), (r[2],), after, after

    @staticmethod
    def backward(
        dh: Numbers, dm: Numbers, gates: Any, extra: Any, hidden: Numbers, before: Numbers, after: Numbers
    ) -> Any:
        """See `Recurrence.backward`."""
        reset, update, new = gates
        dh = dh + dm
        d_new = dh * (1.0 - update) * (1.0 - new * new)
        d_update = dh * (before - new) * update * (1.0 - update)
        d_reset = d_new * extra[0] * reset * (1.0 - reset)
        return (d_reset, d_update, d_new), (d_reset, d_update, d_new * reset), dh * update


class RNNRecurrence(Recurrence):
    """h' = tanh(x + W h)."""

    gates = 1

    @staticmethod
    def forward(x: Any, r: Any, memory: Numbers) -> Any:
        """See `Recurrence.forward`."""
        hidden = tanh(x[0] + r[0])
        return (hidden,), (), hidden, hidden

    @staticmethod
    def backward(
        dh: Numbers, dm: Numbers, gates: Any, extra: Any, hidden: Numbers, before: Numbers, after: Numbers
    ) -> Any:
        """See `Recurrence.backward`."""
        # `dm` is zero but for a gradient that arrives at the last state
        gradients = ((dh + dm) * (1.0 - gates[0] * gates[0]),)
        return gradients, gradients, 0.0
