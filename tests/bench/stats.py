# SPDX-License-Identifier: Apache-2.0
"""Medians and quantiles of paired trials with bootstrap intervals, and what they say of a goal.

A trial holds the samples of the measured thing and of its alternative, taken one right after the
other. Intervals are percentile bootstrap intervals (Efron 1979) over trials, which are drawn as
pairs: what slows a whole trial down slows both and says nothing about either."""
import random

ROUNDS = 2000
CONFIDENCE = 0.95


def quantile(samples, q):
    """Linear between the two nearest ranks; q 0.5 is the median."""
    ordered = sorted(samples)
    if not ordered:
        raise ValueError('no samples')
    place = q * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def pooled(trials, q):
    return quantile([sample for trial in trials for sample in trial], q)


class Estimate:
    """value of `trials` (lists of samples), ratio to `others` if given, each with its interval."""

    def __init__(self, trials, others=None, q=0.5, seed=1):
        self.value = pooled(trials, q)
        self.other = pooled(others, q) if others else None
        self.ratio = self.value / self.other if self.other else None
        self.trials = len(trials)
        values, ratios = self._resample(trials, others, q, random.Random(seed))
        self.low, self.high = interval(values)
        self.ratio_low, self.ratio_high = interval(ratios) if ratios else (None, None)

    @staticmethod
    def _resample(trials, others, q, rng):
        values, ratios = [], []
        for _ in range(ROUNDS):
            drawn = [rng.randrange(len(trials)) for _ in trials]
            value = pooled([trials[i] for i in drawn], q)
            values.append(value)
            if others:
                other = pooled([others[i] for i in drawn], q)
                if other:
                    ratios.append(value / other)
        return values, ratios


def interval(values):
    tail = (1 - CONFIDENCE) / 2
    return quantile(values, tail), quantile(values, 1 - tail)


def decide(low, high, relation, bound):
    """True: met, False: missed, 'undecided': the interval has the goal inside."""
    if relation == '<=':
        return True if high <= bound else False if low > bound else 'undecided'
    if relation == '>=':
        return True if low >= bound else False if high < bound else 'undecided'
    raise ValueError(relation)
