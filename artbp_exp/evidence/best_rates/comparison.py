"""Claims about ARTBP against its rivals, every method at its own best learning rate."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from artbp_exp.evidence.best_rates.arms import Arm, arms
from artbp_exp.evidence.claims.claim import FAILS, HOLDS, NOT_YET, OPEN, Claim, notes
from artbp_exp.evidence.claims.ptb.measured import estimate
from artbp_exp.evidence.ptb_runs import late
from artbp_exp.evidence.recipe import recipe
from artbp_exp.evidence.statistics import CONFIDENCE, Contrast, bare, contrast, holm
from artbp_exp.runs.load import load_all


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs of one recipe, and what is claimed of them.

    Attributes:
        name: of the recipe, and of the folder in the results.
        setting: the model and the data, in words.
        epochs: of a run.
        own: title of the arm that the others are compared with.
        memory: title of truncated BPTT of the same mean stored steps; `short` of the same length; `random` of the same
            cuts without reweighting.
        paper: whether the paper makes the first claim.
    """

    name: str
    setting: str
    epochs: int
    own: str
    short: str
    memory: str
    random: str
    paper: bool = False

    def arms(self, results: Path) -> dict[str, Arm]:
        """Title → arm, of those that have an end point."""
        found = arms(load_all(results / self.name))
        return {title: arm for title, arm in found.items() if arm.best is not None}

    def claims(self, results: Path) -> list[Claim]:
        """The rows, their tests corrected as one family."""
        found = self.arms(results)
        tests = [self._lead(found, other) for _, _, other in self._rows()]
        levels = iter(holm([test.p for test in tests if test is not None]))
        adjusted = [None if test is None else next(levels) for test in tests]
        return [self._claim(found, row, test, p) for row, test, p in zip(self._rows(), tests, adjusted, strict=True)]

    def leads(self, found: dict[str, Arm], other: str) -> list[float]:
        """By how much `own` is ahead of another arm, for each seed that both have at their best rates."""
        if other not in found or self.own not in found:
            return []
        theirs, own = (found[title].at_best for title in (other, self.own))
        return [theirs[seed] - own[seed] for seed in own if seed in theirs]

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        yield "lead", "ARTBP ends ahead of truncated BPTT of the same length", self.short
        yield "memory", "ARTBP ends ahead of truncated BPTT of the same mean stored steps", self.memory
        yield "reweighting", "ARTBP ends ahead of its random cuts without reweighting", self.random

    def _lead(self, found: dict[str, Arm], other: str) -> Contrast | None:
        """With the noise pooled over all arms; None without a second seed to tell it by."""
        return contrast({title: list(arm.at_best.values()) for title, arm in found.items()}, {other: 1, self.own: -1})

    def _claim(
        self, found: dict[str, Arm], row: tuple[str, str, str], test: Contrast | None, level: float | None
    ) -> Claim:
        key, claim, other = row
        points = self.leads(found, other)
        verdict = OPEN if points else NOT_YET
        if test is not None and level is not None and level < 1 - CONFIDENCE:
            # the arm that is behind may have a better rate beyond those that were run
            behind = found[other if test.value > 0 else self.own]
            verdict = OPEN if not behind.inside else HOLDS if test.value > 0 else FAILS
        paper = self.paper and key == "lead"
        return Claim(
            key=f"{self.name}_{key}",
            claim=f"{claim}, each at its best learning rate ({self.setting})",
            paper=paper,
            source="section 6.2" if paper else "this project",
            quantity=(
                f"mean validation bpc over the last {late(self.epochs)} epochs, of {other} minus that of {self.own}; "
                "above 0 ARTBP is ahead"
            ),
            found=(estimate(points, test) if test else bare(points)) if points else None,
            verdict=verdict,
            note=notes(
                f"p = {test.p:.2g}, adjusted {level:.2g}" if test and level is not None else "",
                "no arm has a second seed, so there is no noise to hold this against" if points and not test else "",
                *self._where(found, other),
            ),
        )

    def _where(self, found: dict[str, Arm], other: str) -> Iterator[str]:
        wanted = recipe(self.name)
        for title in (self.own, other):
            if title not in found:
                yield f"no run of {title} has ended"
                continue
            arm = found[title]
            missing = [f"{rate:g}" for rate in wanted.values("optimizer.lr") if rate not in arm.means]
            where = "inside" if arm.inside else "at the edge of"
            yield notes(
                f"{title}: best at η = {arm.best:g}, {where} the rates that were run, {len(arm.at_best)} of "
                f"{len(wanted.seeds)} seeds",
                f"not yet run at {', '.join(missing)}" if missing else "",
            )


PTB = Comparison(
    name="ptb_fair",
    setting="Penn Treebank, LSTM, 256 units, 10 epochs, state carried, cosine decay",
    epochs=10,
    own="ARTBP, L0 = 50, α = 4",
    short="truncated BPTT, L = 50",
    memory="truncated BPTT, L = 197",
    random="random cuts, not reweighted, L0 = 50, α = 4",
    paper=True,
)

BRACKETS = Comparison(
    name="brackets_fair",
    setting="distant brackets, lag 7, tanh RNN, 64 units, 10 epochs, cosine decay",
    epochs=10,
    own="ARTBP, L0 = 5, α = 6",
    short="truncated BPTT, L = 5",
    memory="truncated BPTT, L = 12",
    random="random cuts, not reweighted, L0 = 5, α = 6",
)
