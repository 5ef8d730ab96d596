"""How members' scores become one answer. Pure functions of [M, N, K]: members, pictures, classes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import ShapeMismatch
from services.ensemble.domain import Prediction, Rule, Score

Scores = NDArray[np.float64]


def softmax(logits: NDArray[np.floating]) -> Scores:
    """Turn logits [..., K] into probabilities [..., K]; the largest logit is taken off first, so nothing overflows."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def shares(rule: Rule, weights: Sequence[float]) -> tuple[float, ...]:
    """Return what part of the answer each of the members has that take part in it; they sum to 1.

    A partial ensemble is the ensemble of those that answered: the weights of the rest are left out, not counted as 0.
    """
    counted = weights if rule is Rule.WEIGHTED else [1.0] * len(weights)
    return tuple(weight / sum(counted) for weight in counted)


def combine(rule: Rule, probabilities: Scores, weights: Sequence[float]) -> Scores:
    """Combine members' probabilities [M, N, K] into the ensemble's [N, K], which sum to 1 over K.

    mean: (1/M) Σ p_m. weighted: Σ w_m p_m / Σ w_m. majority: each member has one vote, for its best class, and
    score_k = (votes_k + mean_k) / (M + 1): a vote outweighs any mean, and the mean resolves ties of votes.
    """
    mean: Scores = np.einsum("m,mnk->nk", shares(rule, weights), probabilities)
    if rule is not Rule.MAJORITY:
        return mean
    votes = np.zeros_like(mean)
    for best in probabilities.argmax(axis=-1):  # [N]
        votes[np.arange(len(best)), best] += 1
    return np.asarray((votes + mean) / (len(probabilities) + 1))


def check_classes(models: Sequence[str], scores: Sequence[NDArray[np.floating]]) -> None:
    """Check that all members score the same classes.

    Raises:
        ShapeMismatch: names each member and its number of classes.
    """
    if len({each.shape[-1] for each in scores}) > 1:
        counts = ", ".join(f"'{model}' {each.shape[-1]}" for model, each in zip(models, scores, strict=True))
        raise ShapeMismatch(f"the members disagree on the number of classes: {counts}; they cannot be one ensemble")


def best_classes(probabilities: Scores, labels: Sequence[str], top_k: int) -> tuple[Prediction, ...]:
    """Name the `top_k` best classes of each row of [N, K]; equal scores in the order of the classes.

    Args:
        labels: K names, or none: then a class is called by its index.
    """
    order = np.argsort(-probabilities, axis=-1, kind="stable")[:, :top_k]
    return tuple(
        Prediction(tuple(Score(int(k), labels[k] if labels else str(k), float(row[k])) for k in best))
        for row, best in zip(probabilities, order, strict=True)
    )
