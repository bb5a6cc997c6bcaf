"""Every experiment of this repository's evidence, declared once: its recipes, claims, figures and tables.

The report, the figures, the tables of README.md and docs/, `make evidence` and `make phase` all read `EXPERIMENTS`.
To add one, write its recipe in `conf/experiment` and one entry here.
"""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from matplotlib.figure import Figure

from artbp_exp.evidence import authors
from artbp_exp.evidence.authors_setting.claims import paper_claims
from artbp_exp.evidence.authors_setting.figure import ptb_paper
from artbp_exp.evidence.authors_setting.runs import FLOAT32, Setting, paper_table
from artbp_exp.evidence.best_rates.comparison import BRACKETS, PTB, Comparison
from artbp_exp.evidence.best_rates.figure import best_rates
from artbp_exp.evidence.best_rates.table import table
from artbp_exp.evidence.claims import diagnosis
from artbp_exp.evidence.claims.balancing import balancing_claims
from artbp_exp.evidence.claims.exact import exact_claims
from artbp_exp.evidence.claims.lengths import diagram_claims, size_claims
from artbp_exp.evidence.claims.ptb import family
from artbp_exp.evidence.claims.ptb.measured import leads
from artbp_exp.evidence.claims.rates import rate_claims
from artbp_exp.evidence.experiment import Experiment, Picture, drawn, of_runs, of_tables
from artbp_exp.evidence.figures import diagnosis as diagnosed
from artbp_exp.evidence.figures.bench import bench
from artbp_exp.evidence.figures.cuts_and_factors import cuts_and_factors
from artbp_exp.evidence.figures.influence_balancing import influence_balancing
from artbp_exp.evidence.figures.learning_rates import learning_rates
from artbp_exp.evidence.figures.paired_seeds import paired_seeds
from artbp_exp.evidence.figures.phase_diagram import phase_diagram
from artbp_exp.evidence.figures.phase_sizes import phase_sizes
from artbp_exp.evidence.figures.ptb_evidence import ptb_evidence
from artbp_exp.evidence.figures.segment_lengths import segment_lengths
from artbp_exp.evidence.methods.experiments import METHODS
from artbp_exp.evidence.ptb_runs import RECIPE, arms
from artbp_exp.evidence.tables import balancing, engines, ptb_bpc
from artbp_exp.evidence.tables.diagnosis import diagnosis_table
from artbp_exp.evidence.tables.summary import summary
from artbp_exp.runs.load import Run, load_runs

README, EVIDENCE, PENN_TREEBANK = "README.md", "docs/evidence.md", "docs/penn_treebank.md"


def _random_cuts(results: Path) -> list[Run]:
    folders = ("influence_balancing", "learning_rates", RECIPE)
    return [run for folder in folders for run in load_runs(results / folder) if "schedule" in run.config["method"]]


def _ptb_evidence(results: Path) -> Figure | None:
    logs, runs = authors.logs(results), arms(results / RECIPE)
    return ptb_evidence(runs, logs) if runs or len(logs) else None


def _ptb_paper(results: Path) -> Figure | None:
    setting = Setting.of(results)
    return ptb_paper(setting) if setting.runs else None


def _best_rates(comparison: Comparison) -> Experiment:
    setting = f"{comparison.setting[0].upper()}{comparison.setting[1:]}"
    return Experiment(
        heading="Every method at its own best learning rate",
        recipes=(comparison.name,),
        made_by="make evidence",
        claims=comparison.claims,
        figures=(
            Picture(
                file=f"figures/{comparison.name}",
                draw=drawn(best_rates, comparison.arms),
                caption=(
                    f"{setting}: the end point (mean validation bits per character over the last quarter of the "
                    "epochs) against the learning rate. A point a seed, not the same ones at every rate; the ring is "
                    "the best rate that a method was run at."
                ),
            ),
        ),
        tables={PENN_TREEBANK: {comparison.name: functools.partial(table, comparison)}},
    )


def _diagnosed() -> Iterator[Picture]:
    draw: dict[str, tuple[Callable[..., Figure], tuple[str, ...]]] = {
        "bias_and_variance": (diagnosed.bias_and_variance, ("methods.csv",)),
        "variance_and_cost": (diagnosed.variance_and_cost, ("methods.csv",)),
        "influence": (diagnosed.influence, ("influence.csv", "methods.csv")),
    }
    for name, where in diagnosis.CHECKPOINTS.items():
        for kind, (figure, files) in draw.items():
            folder = f"diagnose/{name}"
            yield Picture(
                file=f"{folder}/{kind}",
                draw=of_tables(figure, *(f"{folder}/{file}" for file in files)),
                caption=f"{where[0].upper()}{where[1:]}: {diagnosed.CAPTIONS[kind]}",
            )


BALANCING = "Influence balancing"
LENGTHS = "How long segments must be"

EXPERIMENTS = (
    Experiment(
        heading="Unbiasedness",
        sources=("verify/everything.csv",),
        made_by="make verify VERIFY=results/verify/everything.csv",
        claims=exact_claims,
        tables={README: {"summary": summary}},
        commands=lambda _: ["make verify VERIFY=results/verify/everything.csv"],
    ),
    Experiment(
        heading=BALANCING,
        recipes=("influence_balancing",),
        made_by="make evidence",
        claims=balancing_claims,
        figures=(
            Picture(
                file="figures/influence_balancing",
                draw=of_runs(influence_balancing, "influence_balancing"),
                caption="Influence balancing: loss and θ against steps, median and range over seeds.",
            ),
        ),
        tables={EVIDENCE: {"influence_balancing": balancing.final}},
    ),
    Experiment(
        heading=BALANCING,
        recipes=("learning_rates",),
        made_by="make evidence",
        claims=rate_claims,
        figures=(
            Picture(
                file="figures/learning_rates",
                draw=of_runs(learning_rates, "learning_rates"),
                caption="Influence balancing: distance from θ* after 10⁶ steps against the learning rate, by seed.",
            ),
        ),
        tables={EVIDENCE: {"learning_rates": balancing.rates}},
    ),
    Experiment(
        heading=LENGTHS,
        recipes=("phase_diagram",),
        made_by="make phase",
        claims=diagram_claims,
        figures=(
            Picture(
                file="figures/phase_diagram",
                draw=of_tables(phase_diagram, "phase_diagram/cells.csv"),
                caption=(
                    "Influence balancing: final loss over length × learning rate, median of 5 seeds (truncated BPTT "
                    "draws nothing: one); yellow is good. Dot: every seed reached θ*. Cross: a seed or more diverged."
                ),
            ),
        ),
    ),
    Experiment(
        heading=LENGTHS,
        recipes=("phase_sizes",),
        made_by="make phase",
        claims=size_claims,
        figures=(
            Picture(
                file="figures/phase_sizes",
                draw=of_tables(phase_sizes, "phase_sizes/cells.csv", "phase_sizes/signs.csv"),
                caption="The length that each method needs, against the size of the system (10 plus to 13 minus).",
            ),
        ),
    ),
    Experiment(
        heading="Bias, variance and memory for one model, its parameters fixed",
        sources=tuple(f"diagnose/{name}" for name in diagnosis.CHECKPOINTS),
        made_by="artbp-diagnose",
        claims=diagnosis.diagnosis_claims,
        commands=diagnosis.commands,
        figures=tuple(_diagnosed()),
        tables={"results/diagnose/README.md": {f"diagnosis_{at}": diagnosis_table(at) for at in diagnosis.CHECKPOINTS}},
    ),
    Experiment(
        heading="Penn Treebank in the authors' setting",
        sources=("ptb_paper", FLOAT32),
        recipes=("ptb_paper",),
        made_by="make evidence",
        claims=paper_claims,
        figures=(
            Picture(
                file="figures/ptb_paper",
                draw=_ptb_paper,
                caption=(
                    "Penn Treebank in the authors' setting, state reset at cuts: validation bits per character, a line "
                    "a run, over the bands of the authors' five logged runs of each method (mean ± sd). Dashed: "
                    "truncated BPTT with the same length, but its cuts at other places in each epoch."
                ),
            ),
        ),
        tables={PENN_TREEBANK: {"ptb_paper": paper_table}, README: {"ptb_paper": paper_table}},
    ),
    Experiment(
        heading="Penn Treebank, one character at a time",
        recipes=(RECIPE,),
        made_by="make evidence",
        claims=family.ptb_claims,
        commands=family.commands,
        figures=(
            Picture(
                file="figures/ptb_evidence",
                draw=_ptb_evidence,
                caption=(
                    "Penn Treebank, beside the authors' logs. Above, validation bits per character, a line a run. "
                    "Below, by how much ARTBP is ahead of truncated BPTT and of random cuts without reweighting at the "
                    "end of each epoch, paired by seed (the authors' logs: of the means). Where the state is reset, "
                    "two objectives are compared."
                ),
            ),
            Picture(
                file="figures/paired_seeds",
                draw=drawn(paired_seeds, leads),
                caption=(
                    "Penn Treebank: by how much ARTBP's end point is ahead (the mean validation bits per character "
                    "over the last quarter of the epochs). Every seed a point, hollow with the repeated runs; bar: "
                    "mean and its 95 % interval, the noise pooled over methods and states, a repeated run being a "
                    "replicate."
                ),
            ),
        ),
        tables={EVIDENCE: {"ptb_tier1": ptb_bpc.end_points}},
    ),
    _best_rates(PTB),
    _best_rates(BRACKETS),
    *METHODS,
    Experiment(
        heading="Segment lengths",
        sources=("influence_balancing", "learning_rates", RECIPE),
        made_by="make evidence",
        figures=(
            Picture(file="figures/segment_lengths", draw=drawn(segment_lengths, _random_cuts)),
            Picture(
                file="figures/cuts_and_factors",  # drawn from the schemes alone, beside the runs that they stand for
                draw=lambda results: cuts_and_factors() if (results / "influence_balancing").is_dir() else None,
            ),
        ),
    ),
    Experiment(
        heading="Speed",
        sources=("bench",),
        made_by="make bench",
        figures=(
            Picture(
                file="bench/bench",
                draw=of_tables(bench, "bench/throughput.csv", "bench/sequence_length.csv", "bench/mean_length.csv"),
            ),
        ),
        tables={"docs/engines.md": {"bench": engines.bench, "ablations": engines.ablations, "bench_gpu": engines.gpu}},
    ),
)
