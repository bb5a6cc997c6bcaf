"""The report as Markdown, and as one HTML file that needs no other."""

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from artbp_exp.evidence.claim import MEASURED, NOT_YET, Claim, interval, number

TITLE = "What the paper claims, and what was measured"
INTRO = (
    "The claims of C. Tallec and Y. Ollivier, Unbiasing Truncated Backpropagation Through Time, 2017 (arXiv "
    "1705.08209), against what was measured here. Every number is worked out by `make report` from the committed CSVs. "
    "Method, formulas and settings: "
)
METHOD = "docs/method.md"
INTERVALS = (
    "n: how many points the median is of, and what they are. Intervals are of the median over seeds: 95 %, bootstrap "
    "(BCa, 9999 resamples), paired by seed where two methods are compared. With three seeds they are little more than "
    "the range of the points; below three there are none, nor where the points are not seeds. The verdicts:"
)
VERDICTS = {
    "holds": (
        "what was measured agrees with the claim. Where two methods are compared seed by seed: the interval lies above "
        "0, and a t-test over the seeds rejects 0 at 5 %, adjusted by Holm's method over all of these tests together: "
        "if there were no difference anywhere, one row or more would pass by chance in at most one report of twenty. "
        "The row gives p by itself and adjusted. A verdict goes by a row's own runs; where one of them was run again, "
        "the row also says what the test would give with that"
    ),
    "does not hold": "what was measured contradicts the claim, by the same test",
    "not settled": (
        "that test does not reject 0, there are fewer than three seeds, ARTBP diverged on a seed, or the errors are "
        "too large to tell"
    ),
    MEASURED: "a quantity is given, and nothing is claimed of it",
    NOT_YET: "runs are missing; the row says which",
}
AUTHORS = (
    "Source of the authors' curves: training logs published with their code (github.com/ctallec/bigart), 6 distinct "
    "runs of each method; their cell, 1000 units, 20 epochs, state reset at every cut. Valid bits per character at the "
    "end of each epoch, mean ± sd: what compares with them is a row at the end of the last epoch, not one at the best "
    "valid epoch. Here test is measured at the best valid epoch only."
)
COMMANDS = "Commands that made these rows"
Table = Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure as the pages show it.

    Attributes:
        group: heading under which it stands.
        path: of its PNG, relative to the results folder.
        png: its bytes.
        caption: in words.
    """

    group: str
    path: Path
    png: bytes
    caption: str


# a tap on a figure, or the space bar, shows it at its own size, to be scrolled: a check box, since there are no scripts
STYLE = """
:root { color-scheme: light dark; --line: #8884; --ok: #009E73; --no: #D55E00; --open: #8a8a8a; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
article { border: 1px solid var(--line); border-left: 5px solid var(--open); border-radius: 6px; padding: .6rem .8rem;
  margin: .7rem 0; }
article.holds { border-left-color: var(--ok); } article.not { border-left-color: var(--no); }
article h3 { font-size: 1rem; margin: 0 0 .3rem; } .verdict { font-weight: 600; }
.holds .verdict { color: var(--ok); } .not .verdict { color: var(--no); }
small { color: GrayText; } small, .note, code { overflow-wrap: anywhere; } code { font-size: .85em; }
figure { margin: 1.2rem 0; } figcaption { font-size: .9rem; }
.scroll { display: block; overflow-x: auto; position: relative; } .scroll input { position: absolute; opacity: 0; }
img { max-width: 100%; height: auto; background: white; border-radius: 4px; cursor: zoom-in; }
:checked + img { max-width: none; cursor: zoom-out; } :focus-visible + img { outline: 2px solid; }
table { border-collapse: collapse; font-size: .9rem; }
td, th { border-bottom: 1px solid var(--line); padding: .2rem .6rem; text-align: left; white-space: nowrap; }
"""


def markdown(claims: Sequence[Claim], figures: Sequence[Drawn], authors: Table) -> str:
    """The report for a repository's browser; figures are linked, relative to the results folder."""
    parts = [f"# {TITLE}", "", f"{INTRO}[{METHOD}](../{METHOD}).", "", INTERVALS, ""]
    parts += [*(f"- `{verdict}`: {meaning}." for verdict, meaning in VERDICTS.items()), "", f"**{tally(claims)}**", ""]
    for group, rows in groupby(claims, key=lambda claim: claim.group):
        members = list(rows)
        parts += [f"## {group}", ""]
        parts += ["| claim | measured | n | median | interval | verdict |", "| --- | --- | --- | --- | --- | --- |"]
        parts += [_row(claim) for claim in members]
        for figure in _of(group, figures):
            alt = figure.caption.replace("[", "(").replace("]", ")")
            path = figure.path.as_posix()
            parts += ["", f"[![{alt}]({path})]({path})", "", figure.caption]
        parts += ["", f"{COMMANDS}:", "", *(f"    {command}" for command in _commands(members)), ""]
    if authors:
        parts += ["## The authors' curves", "", AUTHORS, ""]
        parts += [f"| {' | '.join(authors[0])} |", "|" + " --- |" * len(authors[0])]
        parts += [*(f"| {' | '.join(row)} |" for row in authors[1:]), ""]
    return "\n".join(parts)


def page(claims: Sequence[Claim], figures: Sequence[Drawn], authors: Table) -> str:
    """The report as one HTML file: figures are inside, nothing is loaded."""
    legend = "".join(f"<li><b>{verdict}</b>: {html.escape(meaning)}.</li>" for verdict, meaning in VERDICTS.items())
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<title>{TITLE}</title><style>{STYLE}</style></head><body><h1>{TITLE}</h1>",
        f"<p>{_code(INTRO)}<code>{METHOD}</code> of the repository. A tap on a figure enlarges it.</p>",
        f"<p>{html.escape(INTERVALS)}</p><ul>{legend}</ul><p><b>{tally(claims)}</b></p>",
    ]
    for group, rows in groupby(claims, key=lambda claim: claim.group):
        members = list(rows)
        parts.append(f"<h2>{html.escape(group)}</h2>")
        parts += [_article(claim) for claim in members]
        parts += [_figure(figure) for figure in _of(group, figures)]
        commands = "<br>".join(f"<code>{html.escape(command)}</code>" for command in _commands(members))
        parts.append(f"<details><summary>{COMMANDS}</summary>{commands}</details>")
    if authors:
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in authors[0])
        body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in authors[1:])
        parts.append(f"<h2>The authors' curves</h2><p>{html.escape(AUTHORS)}</p>")
        parts.append(f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>")
    return "\n".join([*parts, "</body></html>", ""])


def tally(claims: Sequence[Claim]) -> str:
    """How many rows came out how."""
    verdicts = [claim.verdict for claim in claims]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))


def _of(group: str, figures: Iterable[Drawn]) -> list[Drawn]:
    return [figure for figure in figures if figure.group == group]


def _commands(claims: Iterable[Claim]) -> list[str]:
    """Each once, in the order of the rows."""
    return list(dict.fromkeys(command for claim in claims for command in claim.command.split("; ")))


def _row(claim: Claim) -> str:
    note = f"<br><sub>{_cell(claim.note)}</sub>" if claim.note else ""
    median = number(claim.spread.median) if claim.spread else "–"
    return (
        f"| {_cell(claim.claim)} <sub>({_cell(claim.source)})</sub>{note} | {_cell(claim.quantity)} "
        f"| {claim.counted} | {median} | {interval(claim.spread)} | **{claim.verdict}** |"
    )


def _article(claim: Claim) -> str:
    kind = {"holds": "holds", "does not hold": "not"}.get(claim.verdict, "open")
    note = f"<div class=note>{html.escape(claim.note)}</div>" if claim.note else ""
    return (
        f"<article class={kind}><h3>{html.escape(claim.claim)} <small>({html.escape(claim.source)})</small></h3>"
        f"<div class=verdict>{claim.verdict}</div><div>{html.escape(claim.quantity)}</div>{_measured(claim)}{note}"
        "</article>"
    )


def _measured(claim: Claim) -> str:
    if claim.spread is None:
        return ""
    if claim.seeds == 1:
        return f"<div><b>{number(claim.spread.median)}</b>, n = {claim.counted}</div>"
    shown = [number(point) for point in claim.spread.points]
    points = ", ".join(shown) if len(shown) <= 10 else f"{shown[0]} … {shown[-1]} ({len(shown)} points)"
    between = f", interval {interval(claim.spread)}" if claim.spread.low is not None else ""
    return (
        f"<div>median <b>{number(claim.spread.median)}</b>{between}, n = {claim.counted}</div>"
        f"<small>every point: {points}</small>"
    )


def _figure(figure: Drawn) -> str:
    data = base64.b64encode(figure.png).decode()
    caption = html.escape(figure.caption)
    return (
        f'<figure><label class=scroll><input type=checkbox><img alt="{caption}" src="data:image/png;base64,{data}">'
        f"</label><figcaption>{caption}</figcaption></figure>"
    )


def _cell(text: str) -> str:
    return text.replace("|", "∣")


def _code(text: str) -> str:
    pieces = html.escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))
