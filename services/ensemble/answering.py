"""What an ensemble says once its members were asked: their rule over the scores that are in, and what it cost."""

from collections.abc import Callable, Sequence

import numpy as np

from services.edge.errors import DeadlineExceeded, MemberUnavailable
from services.edge.receipts import Tariff, write_receipt
from services.ensemble.domain import Answer, Ensemble, EnsembleMode, MemberAnswer, MemberState, Prediction
from services.ensemble.fan_out import MemberRun
from services.ensemble.rules import best_classes, check_classes, combine, shares, softmax
from services.ensemble.served import Served


def combined_answer(
    served: Served,
    runs: Sequence[MemberRun],
    mode: EnsembleMode,
    top_k: int,
    tariff: Tariff,
    elapsed_s: Callable[[], float],
) -> Answer:
    """Combine the members that answered; the others are named.

    Args:
        runs: of every member, as they ended.
        elapsed_s: since the request came.
    Raises:
        MemberUnavailable: fewer answered than the ensemble asks for, since the others failed; has each one's reason.
        DeadlineExceeded: fewer were in by the deadline.
        ShapeMismatch: the members disagree on the number of classes.
    """
    ensemble = served.ensemble
    answered = [run for run in runs if run.state is MemberState.ANSWERED]
    if len(answered) < ensemble.min_members:
        raise _no_answer(ensemble, runs, elapsed_s())
    scores = [run.scores for run in answered]
    check_classes([run.model for run in answered], scores)
    probabilities = softmax(np.stack(scores))
    weights = {member.model: member.weight for member in ensemble.members}
    present = [weights[run.model] for run in answered]
    share = dict(zip((run.model for run in answered), shares(ensemble.rule, present), strict=True))
    rows = dict(zip(share, probabilities, strict=True))
    members = tuple(
        _member_answer(
            run,
            share.get(run.model, 0.0),
            best_classes(rows[run.model], served.labels, top_k) if run.model in rows else (),
        )
        for run in runs
    )
    return Answer(
        ensemble=ensemble.name,
        mode=mode,
        predictions=best_classes(combine(ensemble.rule, probabilities, present), served.labels, top_k),
        members=members,
        latency_ms=elapsed_s() * 1e3,
        expected_accuracy=served.expected(share),
        receipt=write_receipt([part for run in runs for part in run.parts], tariff),
    )


def _member_answer(run: MemberRun, weight: float, predictions: tuple[Prediction, ...]) -> MemberAnswer:
    return MemberAnswer(
        model=run.model,
        state=run.state,
        weight=weight,
        predictions=predictions,
        latency_ms=run.latency_ms,
        compute_ms=sum(reply.compute_ms for reply in run.replies.values()),
        cold=any(reply.cold for reply in run.replies.values()),
        error=run.error,
    )


def _no_answer(ensemble: Ensemble, runs: Sequence[MemberRun], waited_s: float) -> Exception:
    name = ensemble.name
    failed = [f"'{run.model}': {run.error}" for run in runs if run.state is MemberState.FAILED]
    if len(failed) == len(runs):
        return MemberUnavailable(f"every member of ensemble '{name}' failed: {'; '.join(failed)}")
    missing = ", ".join(
        f"'{run.model}'{f' ({run.error})' if run.error else ''}" for run in runs if run.state is MemberState.MISSING
    )
    also = f"; failed: {'; '.join(failed)}" if failed else ""
    answered = sum(run.state is MemberState.ANSWERED for run in runs)
    those = f"{answered} of the {ensemble.min_members} members that ensemble '{name}' asks for"
    those = f"no member of ensemble '{name}'" if not answered else f"only {those}"
    if not missing:
        return MemberUnavailable(f"{those} answered{also}")
    return DeadlineExceeded(f"{those} had answered after {waited_s * 1e3:.0f} ms; missing: {missing}{also}")
