# SPDX-License-Identifier: Apache-2.0
"""A figure: what was measured, beside what, against which goal; and how figures are shown."""
import json

import stats

FIELDS = ('name', 'value', 'unit', 'low', 'high', 'alternative', 'alternative_value', 'ratio', 'goal', 'met')


class Figure:
    """goal is (on, relation, bound): on 'value', or 'ratio' (to the alternative).

    recorded: the alternative was measured elsewhere and is a constant; its ratio has no interval
    of its own. notes: lines for the reader that are no figures."""

    def __init__(self, name, unit, trials, goal, alternative, others=None, recorded=None, q=0.5, notes=(),
                 extra=None):
        self.name, self.unit, self.goal, self.notes = name, unit, goal, list(notes)
        self.alternative, self.extra = alternative, extra or {}
        estimate = stats.Estimate(trials, others, q)
        self.trials = estimate.trials
        self.value, self.low, self.high = estimate.value, estimate.low, estimate.high
        self.other, self.ratio = estimate.other, estimate.ratio
        self.ratio_low, self.ratio_high = estimate.ratio_low, estimate.ratio_high
        if recorded is not None:
            self.other, self.ratio = recorded, self.value / recorded
            self.ratio_low, self.ratio_high = self.low / recorded, self.high / recorded
        on, relation, bound = goal
        low, high = (self.low, self.high) if on == 'value' else (self.ratio_low, self.ratio_high)
        self.met = stats.decide(low, high, relation, bound)

    def goal_text(self):
        on, relation, bound = self.goal
        return f'ratio {relation} {bound:g}' if on == 'ratio' else f'{relation} {bound:g} {self.unit}'

    def as_object(self):
        values = (self.name, digits(self.value), self.unit, digits(self.low), digits(self.high), self.alternative,
                  digits(self.other), digits(self.ratio), self.goal_text(), self.met)
        made = dict(zip(FIELDS, values))
        if self.ratio is not None:
            made.update(ratio_low=digits(self.ratio_low), ratio_high=digits(self.ratio_high))
        made.update(trials=self.trials, **{key: digits(value) for key, value in self.extra.items()})
        if self.notes:
            made['notes'] = self.notes
        return made


def digits(number):
    """Four significant digits are more than any of this is worth."""
    return number if number is None or isinstance(number, str) else float(f'{number:.4g}')


def as_json(figures):
    return '[\n' + ',\n'.join('  ' + json.dumps(f.as_object(), ensure_ascii=False) for f in figures) + '\n]'


def short(number):
    if number is None:
        return '-'
    return f'{number:,.0f}' if abs(number) >= 1000 else f'{number:.3g}'


MET = {True: 'met', False: 'MISSED', 'undecided': 'undecided'}
HEADS = ('figure', 'value', '95 %', 'beside', '', 'ratio', 'goal', '')


def as_rows(figures):
    for f in figures:
        ratio = '-' if f.ratio is None else f'{f.ratio:.2f} ({f.ratio_low:.2f}..{f.ratio_high:.2f})'
        yield (f.name, f'{short(f.value)} {f.unit}', f'{short(f.low)}..{short(f.high)}', f.alternative or '-',
               short(f.other), ratio, f.goal_text(), MET[f.met])


def as_table(figures):
    rows = [HEADS, *as_rows(figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    right = {1, 4}
    lines = []
    for row in rows:
        cells = [cell.rjust(width) if i in right else cell.ljust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append('  '.join(cells).rstrip())
    lines += [''] + [f'{f.name}: {note}' for f in figures for note in f.notes]
    return '\n'.join(lines).rstrip()
