"""The four questions that the report answers first, each in a line or two made from its rows."""

from collections.abc import Mapping, Sequence

from artbp_exp.evidence.claims.claim import HOLDS, Claim
from artbp_exp.evidence.statistics import Spread

Claims = Mapping[str, Claim]


def answers(claims: Sequence[Claim]) -> list[tuple[str, str]]:
    """(question, answer), in the order in which they are asked."""
    by_key = {claim.key: claim for claim in claims}
    return [
        ("Is ARTBP's gradient unbiased?", _unbiased(by_key)),
        ("Does it solve influence balancing, where truncated BPTT fails?", _balancing(by_key)),
        ("Is the paper's lead on Penn Treebank there?", _penn_treebank(by_key)),
        ("What does the reweighting give?", _reweighting(by_key)),
    ]


def _unbiased(claims: Claims) -> str:
    claim = claims["unbiased"]
    if claim.verdict != HOLDS:
        return f"{claim.claim}: {claim.verdict}."
    return (
        f"Yes, for fixed parameters and the state carried: over all ways to cut a short sequence, every one of "
        f"{claim.counted} of method, model and engine has full BPTT's gradient as its mean, but for rounding."
    )


def _balancing(claims: Claims) -> str:
    keys = ("converges", "runs_away_10", "runs_away_100", "range")
    if all(claims[key].verdict == HOLDS for key in keys):
        return (
            "Yes: with segments of 16 steps on average it converges on every seed, over a range of learning rates; "
            "truncated BPTT with L = 10 and L = 100 runs away at every learning rate, and converges with L = 200."
        )
    return "; ".join(f"{claims[key].claim}: {claims[key].verdict}" for key in keys) + "."


def _penn_treebank(claims: Claims) -> str:
    logs = claims["logs"]
    in_logs = f"In the authors' logs, yes: {_bits(logs.found)}, with the state reset at cuts. " if logs.found else ""
    return f"{in_logs}{_authors_setting(claims)}{_own_rates(claims['ptb_fair_lead'])}".strip() or "Not yet measured."


def _authors_setting(claims: Claims) -> str:
    """What their setting gives when it is run again; nothing before it was run."""
    lead, phase = claims["paper_lead"], claims["paper_phase"]
    if not lead.found:
        return ""
    said = f"Run again in their setting, it is {_bits(lead.found)} ({lead.counted} of each: {lead.verdict})"
    if phase.verdict == HOLDS:
        said += "; but truncated BPTT has it too, as soon as it cuts at other places in each epoch"
    elif (places := claims["paper_phase_lead"]).verdict == HOLDS:
        said += f"; truncated BPTT that cuts at other places in each epoch is ahead of itself by {_bits(places.found)}"
    return f"{said}. "


def _reweighting(claims: Claims) -> str:
    balancing, bits = claims["needs_reweighting"], claims["reweighting"]
    said = "On influence balancing everything: cutting at random without it fails where ARTBP converges"
    if balancing.verdict != HOLDS:
        said = f"On influence balancing: {balancing.verdict}"
    here = f"On Penn Treebank at 256 units nothing that shows: {_bits(bits.found)}, within half of the authors' lead"
    if bits.verdict != HOLDS:
        here = f"On Penn Treebank: {bits.verdict}"
    paper = claims["paper_reweighting"]
    if paper.found:
        level = "within half of that lead as well" if paper.verdict == HOLDS else paper.verdict
        here += f"; in the authors' setting {_bits(paper.found)}, {level}"
    return f"{said}. {here}. {_own_rates(claims['ptb_fair_reweighting'])}".strip()


def _own_rates(claim: Claim) -> str:
    """What the fair comparison says; nothing before it was run."""
    if not claim.found:
        return ""
    where = "With the state carried, at 256 units, each at the best learning rate that it was run at"
    return f"{where}: {_bits(claim.found)} ({claim.counted} of each), {claim.verdict}."


def _bits(found: Spread | None) -> str:
    if found is None:
        return "nothing measured"
    half = "" if found.low is None or found.high is None else f" ± {(found.high - found.low) / 2:.3f}"
    return f"{found.center:+.3f}{half} bits per character".replace("-", "−")
