"""How a gradient crosses a step or a segment."""

from artbp_exp.autograd.blocks import unroll_blocks
from artbp_exp.autograd.carry import carry
from artbp_exp.autograd.state import State, detach, leaves, map_state
from artbp_exp.autograd.unroll import Step, unroll

__all__ = ["State", "Step", "carry", "detach", "leaves", "map_state", "unroll", "unroll_blocks"]
