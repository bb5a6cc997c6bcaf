"""The rows of the sweep: what each member claims of its gradient, and whether every outcome bears it out."""

from collections.abc import Callable, Iterator
from functools import partial

from artbp_exp import registry
from artbp_exp.autograd.engines import ENGINES
from artbp_exp.errors import UserError
from artbp_exp.methods.base import Claim
from artbp_exp.verification.enumeration import Exact, Subject
from artbp_exp.verification.report import Row
from artbp_exp.verification.small import SIMPLE, few_steps, small, small_estimator, small_task
from artbp_exp.verification.smoothed import certify_claim
from artbp_exp.verification.variants import ENUMERATION, MUTATED, estimators, label, mutants, schemes

CERTIFIED, REFUTED, REFUSED = "certified", "refuted", "does not fit"


def enumerated(steps: int) -> Iterator[Row]:
    """Certifies all that is shipped on sequences of `steps` steps; expects the biased and the mutants to be refuted."""
    yield from scheme_rows(steps)
    yield from boundary_rows(steps)
    yield from auxiliary_rows(steps)
    yield from task_rows(steps)
    yield from mutant_rows(steps)
    yield from estimator_rows(steps)


def scheme_rows(steps: int) -> Iterator[Row]:
    """Truncation schemes, on every model by every engine."""
    for model in registry.names("model"):
        for settings in schemes():
            done: dict[str, Row] = {}
            for engine in ENGINES:
                try:
                    subject = small(settings, *small_task(model, steps), engine=engine)
                except UserError:
                    if engine in ("auto", "plain"):  # these two are for every model
                        raise
                    continue
                ran = subject.method.engine
                done[ran] = done.get(ran) or _row(label(settings), model, engine, subject)  # `auto` is one of them
                yield done[ran] | {"engine": engine}


def boundary_rows(steps: int) -> Iterator[Row]:
    """Boundaries with a random head, on every model: at random cuts and at certain ones."""
    for boundary in registry.names("boundary"):
        for settings in [] if boundary == "none" else [MUTATED, {"name": "tbptt", "length": 3}]:
            for model in registry.names("model"):
                build = partial(small, settings, *small_task(model, steps), boundary=boundary)
                yield _tried(f"{label(settings)} boundary={boundary}", model, build)


def auxiliary_rows(steps: int) -> Iterator[Row]:
    """Auxiliary losses, on every model: the task's gradient is not what is estimated."""
    for name in registry.names("auxiliary"):
        for model in [] if name == "none" else registry.names("model"):
            build = partial(small, MUTATED, *small_task(model, steps), auxiliary=name)
            yield _tried(f"{label(MUTATED)} auxiliary={name}", model, build)


def task_rows(steps: int) -> Iterator[Row]:
    """ARTBP on a few steps of every task; two tasks are under all other rows."""
    for name in sorted(set(registry.names("task")) - {"ptb", "synthetic"}):
        yield _tried(f"{label(MUTATED)} task={name}", SIMPLE["name"], partial(_of_task, name, steps))


def mutant_rows(steps: int) -> Iterator[Row]:
    """ARTBP with one thing wrong, on every model."""
    for name in mutants(ENUMERATION):
        for model in registry.names("model"):
            subject = small(MUTATED, *small_task(model, steps), mutant=name)
            yield _row(label(MUTATED), model, f"broken: {name}", subject, expected=REFUTED)


def estimator_rows(steps: int) -> Iterator[Row]:
    """Methods of their own kind, on every model; that one does not fit another is a row, too."""
    for settings in estimators():
        for model in registry.names("model"):
            yield _tried(label(settings), model, partial(small_estimator, settings, model, steps))


def _of_task(name: str, steps: int) -> Subject:
    return small(MUTATED, *few_steps(name, steps))


def _tried(method: str, model: str, build: Callable[[], Subject]) -> Row:
    row: Row = {"method": method, "model": model, "engine": "auto", "patterns": 0}
    try:
        subject = build()
    except UserError as error:
        return row | verdict(REFUSED, REFUSED, str(error))
    return _row(method, model, "auto", subject)


def _row(method: str, model: str, engine: str, subject: Subject, *, expected: str = "") -> Row:
    exact: Exact = certify_claim(subject)
    claim = subject.method.claim(subject.task.steps)
    said = REFUTED if claim is Claim.BIASED else CERTIFIED
    return {
        "method": method,
        "model": model,
        "engine": engine,
        "patterns": exact.patterns,
        "relative_bias": max(exact.bias.values()),
        "variance": exact.variance,
        "variance_predicted": exact.predicted,
        "variance_error": exact.variance_error,
        **verdict(
            CERTIFIED if exact.certified and not exact.blunt else REFUTED,
            expected or said,
            exact.reason,
            computed_in="float64",
        ),
        "claim": claim,
    }


def verdict(found: str, expected: str, reason: str | None, **more: str) -> Row:
    """The columns on how a row came out."""
    return {"verdict": found, "expected": expected, **more, "reason": reason}
