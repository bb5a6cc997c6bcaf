"""The experiments of `make methods`, each declared once; see `evidence.experiments`."""

from pathlib import Path

from artbp_exp.evidence.experiment import Experiment, Picture, drawn, of_runs, of_tables
from artbp_exp.evidence.methods.certificates import certificate_claims
from artbp_exp.evidence.methods.claims import balancing_claims, recall_claims
from artbp_exp.evidence.methods.learning_figure import balancing_figure, law_figure, levels_figure
from artbp_exp.evidence.methods.recall import recall_table
from artbp_exp.evidence.methods.recall_figure import recall_figure
from artbp_exp.evidence.methods.related import LAW, related_claims
from artbp_exp.runs.load import Run, load_runs

HEADING = "Related systems"
MADE_BY = "make methods"
DOCS = "docs/methods.md"


def _levels(results: Path) -> dict[str, list[Run]]:
    folders = {"Copy memory: 3 symbols over 12 blanks": "methods_copy", "Digits, one pixel a step": "methods_digits"}
    return {title: runs for title, folder in folders.items() if (runs := load_runs(results / folder))}


VERIFY = "make verify VERIFY=results/verify/everything.csv"

METHODS = (
    Experiment(
        heading=HEADING,
        sources=("verify/everything.csv",),
        made_by=VERIFY,
        claims=certificate_claims,
        commands=lambda _: [VERIFY],
    ),
    Experiment(
        heading=HEADING,
        recipes=("methods_recall",),
        made_by=MADE_BY,
        claims=recall_claims,
        figures=(
            Picture(
                file="figures/methods",
                draw=of_runs(recall_figure, "methods_recall"),
                caption=(
                    "Recall: which method learns which lag. Rows in a block keep about as many numbers for a stream "
                    "(in brackets). Left, after the same steps; right, after the same time of one core, at the least "
                    "time that a step took between two rows of any run. No cell: not run."
                ),
            ),
        ),
        tables={DOCS: {"methods_recall": recall_table}},
    ),
    Experiment(
        heading=HEADING,
        recipes=("methods_balancing",),
        made_by=MADE_BY,
        claims=balancing_claims,
        figures=(
            Picture(
                file="figures/methods_balancing",
                draw=of_runs(balancing_figure, "methods_balancing"),
                caption="Influence balancing by estimators that never cut: median and range over seeds.",
            ),
        ),
    ),
    Experiment(
        heading=HEADING,
        sources=("methods_copy", "methods_digits", "methods_tprop", "methods_ptb"),
        recipes=("methods_copy", "methods_digits", "methods_ptb"),
        made_by=MADE_BY,
        claims=related_claims,
        commands=lambda _: ["python scripts/tprop_law.py"],
        figures=(
            Picture(
                file="figures/methods_tasks",
                draw=drawn(levels_figure, _levels),
                caption=(
                    "Copy memory and digits: the held-out loss against steps, median and range over seeds, between "
                    "what a model without memory reaches and the floor."
                ),
            ),
            Picture(
                file="figures/methods_tprop",
                draw=of_tables(law_figure, LAW),
                caption="Target propagation: the bias of its gradient falls as 1/λ, at the price of stiff springs.",
            ),
        ),
    ),
)
