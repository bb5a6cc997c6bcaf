"""Distant brackets: each line repeats, after a gap of noise, the string that it began with."""

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.tasks.text.bracket_lines import BracketLines
from artbp_exp.tasks.text.lines import Lines


def build(
    *,
    letters: int = 10,
    string: int = 1,
    shortest_gap: int = 5,
    longest_gap: int = 5,
    steps: int = 20_000,
    epochs: int = 10,
    batch_size: int = 32,
    carry_state: bool = True,
    divergence: float = 100.0,
    rows_per_epoch: int = 4,
) -> Lines:
    """Lines `[s]r[s]↵` of random letters, drawn anew each epoch; the loss is in bits per character.

    The first letter of s has to be remembered over |s| + |r| + 2 symbols. The floor is the entropy of a line over its
    mean length, (log₂(number of gaps) + (|s| + E|r|)·log₂ A) / (5 + 2|s| + E|r|); at chance, that is without recall,
    the second s costs as much as the first: 2|s| in place of |s|.

    Args:
        letters: A, of which s and r are made.
        string: |s|, letters to be remembered.
        shortest_gap: least |r|; |r| is drawn uniformly for each line.
        longest_gap: greatest |r|.
        steps: T, of an epoch.
        epochs: passes, each over new lines.
        batch_size: B, streams read in parallel.
        carry_state: carry the state across a cut; false starts every segment from the zero state.
        divergence: training bits per character beyond which a run is stopped as diverged.
        rows_per_epoch: rows of metrics an epoch.

    Raises:
        UserError: a value out of range.
    """
    shortest = checks.whole("task.shortest_gap", shortest_gap)
    longest = checks.whole("task.longest_gap", longest_gap)
    if longest < shortest:
        raise UserError(f"task.longest_gap={longest} is less than task.shortest_gap={shortest}: swap them")
    text = BracketLines(
        letters=checks.whole("task.letters", letters, at_least=2),
        string=checks.whole("task.string", string, at_least=1),
        gaps=(shortest, longest),
    )
    return Lines(
        name="brackets",
        text=text,
        steps=checks.whole("task.steps", steps, at_least=1),
        epochs=checks.whole("task.epochs", epochs, at_least=1),
        batch_size=checks.whole("task.batch_size", batch_size, at_least=1),
        carry_state=checks.flag("task.carry_state", carry_state),
        divergence=checks.number("task.divergence", divergence, above=0),
        rows_per_epoch=checks.whole("task.rows_per_epoch", rows_per_epoch, at_least=1),
    )
