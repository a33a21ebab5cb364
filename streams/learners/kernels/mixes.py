"""What `ModelMix` and `PatternMix` work out."""

import math

import numpy as np
import numpy.typing as npt

from streams.learners.kernels.compiled import compiled

Vector = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
PRIOR_VARIANCE = 0.25
"""Of rewards, before any was seen: the largest that rewards between 0 and 1 can have."""


@compiled("f8(f8[::1], f8, f8[::1])")
def weigh(sums: Vector, trust: float, shares: Vector) -> float:
    """Write the shares by the models' errors, before the number observed, and return the variance of the mix."""
    models, least, total, error = len(shares), np.inf, 0.0, 0.0
    if not models or len(sums) != models + 1:
        raise ValueError("expected an error of each model, and the number observed")
    for n in range(models):
        least = min(least, sums[n])
    for n in range(models):
        shares[n] = math.exp(trust * (least - sums[n]))
        total += shares[n]
    for n in range(models):
        shares[n] /= total
        error += shares[n] * sums[n]
    return float((max(0.0, error) + PRIOR_VARIANCE) / (sums[models] + 1.0))


@compiled("f8(f8[::1], f8[::1], f8, f8, i8, i8, f8, f8, f8[::1])")
def learn(
    sums: Vector,
    expected: Vector,
    reward: float,
    fading: float,
    since: int,
    ago: int,
    weight: float,
    trust: float,
    shares: Vector,
) -> float:
    """Let the sums fade by the decisions since they were true, add `weight` times one outcome of a decision so long
    ago, and return what `weigh` then does.
    """
    faded, kept, models = fading**since, weight * fading**ago, len(expected)
    if not len(sums) - 1 == models == len(shares):
        raise ValueError("expected what each model said")
    for n in range(models):
        missed = expected[n] - reward
        sums[n] = faded * sums[n] + kept * missed * missed
    sums[models] = max(0.0, faded * sums[models] + kept)
    return weigh(sums, trust, shares)


@compiled(
    "f8(f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1], i8[::1], f8[::1], f8[::1], f8, f8[::1], f8, f8, f8[::1], f8[::1])"
)
def outlook(
    expected: Vector,
    noisy: Vector,
    unknown: Vector,
    counts: Vector,
    places: Places,
    priors: Vector,
    alone: Vector,
    alone_variance: float,
    joint: Vector,
    joint_variance: float,
    weight: float,
    means: Vector,
    spreads: Vector,
) -> float:
    """Write what `PatternMix.outlook` returns; without an offset its weight is infinite."""
    observed, trusted = 0.0, alone if weight == math.inf else joint
    if not expected.shape == noisy.shape == unknown.shape == counts.shape:
        raise ValueError("expected numbers of each action and model")
    if not expected.shape[1] == len(alone) == len(joint):
        raise ValueError("expected a share of each model")
    if not len(places) == len(priors) == len(means) == len(spreads):
        raise ValueError("expected a prior for each place")
    for n in range(len(places)):
        action = places[n]
        if not 0 <= action < expected.shape[0]:
            raise ValueError("expected places of actions")
        seen, mean, variance, other_mean, other_variance = 0.0, 0.0, 0.0, 0.0, 0.0
        for model in range(len(alone)):
            said, noise, doubt = expected[action, model], noisy[action, model], unknown[action, model] * PRIOR_VARIANCE
            seen += counts[action, model] * trusted[model]
            mean += said * alone[model]
            variance += (noise * alone_variance + doubt) * alone[model]
            other_mean += said * joint[model]
            other_variance += (noise * joint_variance + doubt) * joint[model]
        known = seen / (seen + weight)
        observed += seen
        means[n] = (mean + known * (other_mean - mean)) + priors[n]
        variance += known * (other_variance - variance)
        spreads[n] = math.sqrt(max(variance, 0.0))  # by rounding, what is certain may fall short of 0
    return observed
