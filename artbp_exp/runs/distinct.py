"""One computation counts once, however often and under whatever name it was run."""

from collections.abc import Mapping, Sequence

from artbp_exp.runs.status import ADDED

LABELS = ("experiment",)
"""Settings that name a run and change nothing that it computes."""


def distinct(settings: Sequence[Mapping[str, object]]) -> list[int]:
    """Index of the first of each group of equal settings, `LABELS` apart; an older run may lack those of `ADDED`.

    Args:
        settings: of each run, dotted key → value, the seed among them and nothing of where and how it is run.
    """
    first: dict[tuple[tuple[str, str], ...], int] = {}
    for index, each in enumerate(settings):
        chosen = {name: value for name, value in each.items() if name not in LABELS and ADDED.get(name, ...) != value}
        key = tuple(sorted((name, repr(value)) for name, value in chosen.items()))
        first.setdefault(key, index)
    return list(first.values())
