"""The report as Markdown, and as one HTML file that needs no other."""

import base64
import html
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from artbp_exp.report.claim import Claim, interval, number

TITLE = "What the paper claims, and what was measured"
INTRO = (
    "C. Tallec and Y. Ollivier, Unbiasing Truncated Backpropagation Through Time, 2017 (arXiv 1705.08209), against "
    "this project's CSVs. Intervals: 95 %, of the median over seeds, bootstrap (BCa, 9999 resamples), paired by seed "
    "where two methods are compared; none below three seeds, and with three little more than their range. Where a "
    "sign is claimed, `holds` and `does not hold` mean that the interval excludes 0, and so does a t-test over the "
    "seeds at 5 % (by chance alone one such row in twenty would; valid and test are not independent); `not settled` "
    "means that they do not, or that there are fewer than three seeds. A row with gaps in its grid of settings is "
    "`not yet measured`. This page is made by `make report` from committed CSVs alone."
)
AUTHORS = (
    "Source of the authors' curves: training logs published with their code (github.com/ctallec/bigart), 6 distinct "
    "runs of each method; their cell, 1000 units, 20 epochs, state reset at every cut. Valid bits per character: "
    "mean ± sd."
)
Figures = Sequence[tuple[str, Path, str]]
Table = Sequence[Sequence[str]]

STYLE = """
:root { color-scheme: light dark; --line: #8884; --ok: #009E73; --no: #D55E00; --open: #8a8a8a; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
article { border: 1px solid var(--line); border-left: 5px solid var(--open); border-radius: 6px; padding: .6rem .8rem;
  margin: .7rem 0; }
article.holds { border-left-color: var(--ok); } article.not { border-left-color: var(--no); }
article h3 { font-size: 1rem; margin: 0 0 .3rem; } .verdict { font-weight: 600; }
.holds .verdict { color: var(--ok); } .not .verdict { color: var(--no); }
small, .note { color: GrayText; overflow-wrap: anywhere; } code { font-size: .85em; overflow-wrap: anywhere; }
figure { margin: 1.2rem 0; } img { max-width: 100%; height: auto; background: white; border-radius: 4px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
td, th { border-bottom: 1px solid var(--line); padding: .2rem .6rem; text-align: left; white-space: nowrap; }
"""


def markdown(claims: Sequence[Claim], figures: Figures, authors: Table) -> str:
    """The report for a repository's browser; figures are linked, relative to the results folder."""
    parts = [f"# {TITLE}", "", INTRO, "", f"**{tally(claims)}**", ""]
    for group, members in groupby(claims, key=lambda claim: claim.group):
        parts += [f"## {group}", ""]
        parts += ["| claim | measured | n | median | interval | verdict |", "| --- | --- | --- | --- | --- | --- |"]
        rows = list(members)
        for claim in rows:
            note = f"<br><sub>{_cell(claim.note)}</sub>" if claim.note else ""
            median = number(claim.spread.median) if claim.spread else "–"
            parts.append(
                f"| {_cell(claim.claim)} <sub>({_cell(claim.source)})</sub>{note} | {_cell(claim.quantity)} "
                f"| {claim.seeds} | {median} | {interval(claim.spread)} | **{claim.verdict}** |"
            )
        parts += ["", "Commands, row by row:", ""]
        commands = dict.fromkeys(command for claim in rows for command in claim.command.split("; "))
        parts += [*(f"    {command}" for command in commands), ""]
    if authors:
        parts += ["## The authors' curves", "", AUTHORS, ""]
        parts += [f"| {' | '.join(authors[0])} |", "|" + " --- |" * len(authors[0])]
        parts += [*(f"| {' | '.join(row)} |" for row in authors[1:]), ""]
    parts += ["## Figures", ""]
    for name, path, caption in figures:
        parts += [f"![{name}]({path.as_posix()})", "", caption, ""]
    return "\n".join(parts)


def page(claims: Sequence[Claim], figures: Sequence[tuple[str, bytes, str]], authors: Table) -> str:
    """The report as one HTML file: figures are inside, nothing is loaded."""
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<title>{TITLE}</title><style>{STYLE}</style></head><body><h1>{TITLE}</h1>",
        f"<p>{_code(INTRO)}</p><p><b>{tally(claims)}</b></p>",
    ]
    for group, members in groupby(claims, key=lambda claim: claim.group):
        parts.append(f"<h2>{html.escape(group)}</h2>")
        parts += [_article(claim) for claim in members]
    if authors:
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in authors[0])
        body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in authors[1:])
        parts.append(f"<h2>The authors' curves</h2><p>{html.escape(AUTHORS)}</p>")
        parts.append(f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>")
    parts.append("<h2>Figures</h2>")
    for name, png, caption in figures:
        data = base64.b64encode(png).decode()
        parts.append(
            f'<figure><img alt="{html.escape(name)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    return "\n".join([*parts, "</body></html>", ""])


def tally(claims: Sequence[Claim]) -> str:
    """How many rows came out how."""
    verdicts = [claim.verdict for claim in claims]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))


def _article(claim: Claim) -> str:
    kind = {"holds": "holds", "does not hold": "not"}.get(claim.verdict, "open")
    measured = ""
    if claim.spread:
        shown = [number(point) for point in claim.spread.points]
        points = ", ".join(shown) if len(shown) <= 10 else f"{shown[0]} … {shown[-1]} ({len(shown)} points)"
        measured = (
            f"<div>median <b>{number(claim.spread.median)}</b>, "
            f"interval {interval(claim.spread)}, n = {claim.seeds}</div>"
            f"<small>every point: {points}</small>"
        )
    note = f"<div class=note>{html.escape(claim.note)}</div>" if claim.note else ""
    commands = "<br>".join(f"<code>{html.escape(command)}</code>" for command in claim.command.split("; "))
    return (
        f"<article class={kind}><h3>{html.escape(claim.claim)} <small>({html.escape(claim.source)})</small></h3>"
        f"<div class=verdict>{claim.verdict}</div><div>{html.escape(claim.quantity)}</div>{measured}{note}"
        f"<details><summary>command</summary>{commands}</details></article>"
    )


def _cell(text: str) -> str:
    return text.replace("|", "∣")


def _code(text: str) -> str:
    pieces = html.escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))
