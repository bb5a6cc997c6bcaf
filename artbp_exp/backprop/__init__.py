"""How a gradient crosses a step or a segment."""

from artbp_exp.backprop.blocks import unroll_blocks
from artbp_exp.backprop.carry import carry
from artbp_exp.backprop.state import State, detach, leaves, map_state
from artbp_exp.backprop.unroll import Step, unroll

__all__ = ["State", "Step", "carry", "detach", "leaves", "map_state", "unroll", "unroll_blocks"]
