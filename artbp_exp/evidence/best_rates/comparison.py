"""Claims about ARTBP against its rivals, every method at its own best learning rate."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from artbp_exp.evidence.best_rates.arms import Arm, arms
from artbp_exp.evidence.claims.claim import HOLDS, NOT_YET, OPEN, Claim, notes
from artbp_exp.evidence.ptb_runs import late
from artbp_exp.evidence.recipe import recipe
from artbp_exp.evidence.statistics import Contrast, contrast, estimate
from artbp_exp.evidence.verdicts import Verdicts
from artbp_exp.runs.load import load_all


@dataclass(frozen=True, kw_only=True)
class Question:
    """Whether one arm ends ahead of another, each at its best learning rate.

    Attributes:
        key: of its row, within the comparison.
        claim: the row, in words.
        own: title of the arm that should be ahead.
        other: title of the arm that should be behind.
        paper: whether the paper claims it.
    """

    key: str
    claim: str
    own: str
    other: str
    paper: bool = False


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs of one recipe, and what is asked of them.

    Attributes:
        name: of the recipe, and of the folder in the results.
        setting: the model and the data, in words.
        epochs: of a run.
        own: title of the arm that the table compares every other with.
        questions: the rows, their tests corrected as one family.
    """

    name: str
    setting: str
    epochs: int
    own: str
    questions: tuple[Question, ...]

    def arms(self, results: Path) -> dict[str, Arm]:
        """Title → arm, of those of which a run finished or diverged."""
        return {title: arm for title, arm in arms(load_all(results / self.name)).items() if arm.means}

    @property
    def grid(self) -> tuple[float, ...]:
        """The learning rates that every arm should be run at."""
        return tuple(float(rate) for rate in recipe(self.name).sweep["optimizer.lr"].split(","))

    def claims(self, results: Path) -> list[Claim]:
        """A row for each question."""
        found = self.arms(results)
        tests = {question.key: _lead(found, question) for question in self.questions}
        verdicts = Verdicts(tests={key: test for key, test in tests.items() if test is not None})
        return [self._claim(found, question, verdicts) for question in self.questions]

    def _claim(self, found: dict[str, Arm], question: Question, verdicts: Verdicts) -> Claim:
        own, other = question.own, question.other
        points, verdict, test = leads(found, own, other), verdicts.of(question.key), verdicts.tests.get(question.key)
        # the arm that is behind may have a better rate beyond those that were run
        if verdict != OPEN and not found[other if verdict == HOLDS else own].inside(self.grid):
            verdict = OPEN
        return Claim(
            key=f"{self.name}_{question.key}",
            claim=f"{question.claim}, each at the best learning rate it was run at ({self.setting})",
            source="section 6.2" if question.paper else "this project",
            paper=question.paper,
            quantity=(
                f"mean validation bpc over the last {late(self.epochs)} epochs, of {other} minus that of {own}; "
                "above 0 ARTBP is ahead"
            ),
        ).measured(
            estimate(points, test),
            verdict if points else NOT_YET,
            notes(
                f"p = {test.p:.2g}, adjusted {verdicts.adjusted[question.key]:.2g}" if test else "",
                "no arm has a second seed, so there is no noise to hold this against" if points and not test else "",
                *self._where(found, (own, other)),
            ),
        )

    def _where(self, found: dict[str, Arm], titles: tuple[str, str]) -> Iterator[str]:
        for title in titles:
            if title not in found:
                yield f"no run of {title} has ended"
                continue
            arm = found[title]
            if arm.best is None:
                yield f"{title} diverged at every rate that was run"
                continue
            missing = [f"{rate:g}" for rate in self.grid if rate not in arm.means]
            where = "inside" if arm.inside(self.grid) else "at the edge of"
            yield notes(
                f"{title}: best at η = {arm.best:g}, {where} the rates that were run, "
                f"seed{'s' * (len(arm.at_best) > 1)} {', '.join(map(str, sorted(arm.at_best)))}",
                f"not yet run at {', '.join(missing)}" if missing else "",
            )


def leads(found: dict[str, Arm], own: str, other: str) -> list[float]:
    """By how much an arm is ahead of another, for each seed that both have at their best rates."""
    if other not in found or own not in found:
        return []
    behind, ahead = found[other].at_best, found[own].at_best
    return [behind[seed] - ahead[seed] for seed in ahead if seed in behind]


def _lead(found: dict[str, Arm], question: Question) -> Contrast | None:
    """On the seeds that both arms have, with the noise pooled over all; None without a second seed to tell it by."""
    ends = {title: list(arm.at_best.values()) for title, arm in found.items()}
    for title, other in ((question.own, question.other), (question.other, question.own)):
        if title in found and other in found:
            ends[title] = [end for seed, end in found[title].at_best.items() if seed in found[other].at_best]
    return contrast(ends, {question.other: 1, question.own: -1})


def _questions(own: str, short: str, memory: str, *, paper: bool) -> tuple[Question, ...]:
    ahead = partial(Question, own=own)
    return (
        ahead(key="lead", claim="ARTBP ends ahead of truncated BPTT of the same length", other=short, paper=paper),
        ahead(key="memory", claim="ARTBP ends ahead of truncated BPTT of the same mean stored steps", other=memory),
        ahead(
            key="reweighting",
            claim="ARTBP ends ahead of its random cuts without reweighting",
            other=own.replace("ARTBP", "random cuts, not reweighted"),
        ),
    )


PTB = Comparison(
    name="ptb_fair",
    setting="Penn Treebank, LSTM, 256 units, 10 epochs, state carried, cosine decay",
    epochs=10,
    own="ARTBP, L0 = 50, α = 4",
    questions=(
        *_questions("ARTBP, L0 = 50, α = 4", "truncated BPTT, L = 50", "truncated BPTT, L = 197", paper=True),
        Question(
            key="short",
            claim="ARTBP with segments of 10 steps ends ahead of truncated BPTT of 10",
            own="ARTBP, L0 = 10, α = 4",
            other="truncated BPTT, L = 10",
        ),
    ),
)

BRACKETS = Comparison(
    name="brackets_fair",
    setting="distant brackets, lag 7, tanh RNN, 64 units, 10 epochs, cosine decay",
    epochs=10,
    own="ARTBP, L0 = 5, α = 6",
    questions=_questions("ARTBP, L0 = 5, α = 6", "truncated BPTT, L = 5", "truncated BPTT, L = 12", paper=False),
)
