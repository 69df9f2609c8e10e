# SPDX-License-Identifier: Apache-2.0
"""observer: flow events per second of one core (docs/performance.md)."""
import source

ABOUT = 'flow events per second of CPU time, from the ring to a filter'
TRIALS = 15
RATE = 500000


def run(context):
    cases = source.by_case(context.measure('observer.sh', TRIALS=TRIALS, RATE=RATE))
    rows = cases['observer']
    lost = sum(row['lost'] for row in rows) + cases['untold'][0]['value']
    events = sum(row['events'] for row in rows)
    matched = sum(row['matched'] for row in rows)
    return [
        context.figure('observer: flow events per second of one core', '1/s', [[1e9 / row['ns']] for row in rows],
                       ('value', '>=', RATE), 'ring read, nothing looked at',
                       others=[[1e9 / row['floor_ns']] for row in rows],
                       notes=[f"{events:,} events offered at {source.median(rows, 'rate'):,.0f}/s; "
                              f"{matched:,} flows matched and were sent"]),
        context.figure('observer: events lost at that rate', 'events', [[lost]], ('value', '<=', 0), None),
    ]
