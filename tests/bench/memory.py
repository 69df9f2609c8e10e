# SPDX-License-Identifier: Apache-2.0
"""memory: of the programs and of the kernel's maps (docs/performance.md)."""
import source

ABOUT = 'memory with 200 endpoints and 1,000 policies'
TRIALS = 15
MB = 1e6
FLOW_BYTES = 256  # of one kept flow (src/flow/record.h)


def in_mb(trials, less=0.0):
    return [[(value - less) / MB for value in trial] for trial in trials]


def run(context):
    cases = source.by_case(context.measure('memory.sh', TRIALS=TRIALS))
    agent, idle = source.paired(cases['agent'])
    observer, _ = source.paired(cases['observer'])
    ring = cases['ring'][0]['value'] * FLOW_BYTES
    maps = sorted(cases['map'], key=lambda row: -row['value'])
    total = sum(row['value'] for row in maps)
    return [
        context.figure('memory: tendrild, PSS', 'MB', in_mb(agent), ('value', '<=', 12),
                       'without pods and policies', others=in_mb(idle)),
        context.figure('memory: tendril-observer, PSS beyond its flow ring', 'MB', in_mb(observer, ring),
                       ('value', '<=', 12), None,
                       notes=[f"the full ring of {cases['ring'][0]['value']:,} flows is {ring / MB:.1f} MB more"]),
        context.figure("memory: kernel's maps at rest", 'MB', [[total / MB]], ('value', '<=', 32), None,
                       notes=['by map, KB (entries): ' + ', '.join(
                           f"{row['name']} {row['value'] / 1000:.0f} ({row['entries']})" for row in maps)]),
    ]
