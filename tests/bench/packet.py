# SPDX-License-Identifier: Apache-2.0
"""packet: nanoseconds per packet, net of the floor (docs/performance.md)."""
import source

ABOUT = 'ns per packet of the data path, by PROG_TEST_RUN'
TRIALS = 21
CILIUM = 'Cilium 1.18-dev (recorded)'
YARDSTICK = 'parse + LRU lookup'

# case of bench-packet, name, goal in ns, Cilium's recorded figure on the reference machine
CASES = (
    ('established/1', 'pod to local pod, both policies, 1 flow', 130, 912),
    ('established/16k', 'pod to local pod, both policies, 16k flows', 420, 1514),
    ('established/64k', 'pod to local pod, both policies, 64k flows', 450, None),
    ('drop/1', 'policy drop', 120, 386),
    ('none/other', 'packet of no endpoint, passing', 40, None),
    ('none/node', "packet of no endpoint, to the node's web server", 40, None),
    ('none/leaving', 'packet of no endpoint, leaving', 40, None),
)
# Of a case, the share that is the entry program's: one array lookup and one more tail call.
STAGE_ALONE = {'established/1': 'established/1/stage', 'none/other': 'none/other/stage'}


def net(rows, key):
    return [[row[key] - row['floor']] for row in rows]


def median(rows, key):
    return sorted(row[key] for row in rows)[len(rows) // 2]


def notes_of(case, cases):
    rows = cases[case]
    made = [f"floor {median(rows, 'floor'):.0f} ns, subtracted; yardstick {median(rows, 'yardstick'):.0f} ns with it"]
    if case in STAGE_ALONE:
        alone = cases[STAGE_ALONE[case]]
        share = median(rows, 'ns') - median(rows, 'floor') - (median(alone, 'ns') - median(alone, 'floor'))
        made.append(f'{share:.0f} ns of it are the entry program and its tail call')
    return made


def run(context):
    cases = source.by_case(context.measure('bench-packet', '-t', str(TRIALS), '-c', str(context.cpu)))
    made = []
    for case, name, goal, cilium in CASES:
        rows = cases[case]
        yardstick = net(rows, 'yardstick')
        made.append(context.figure(
            f'packet: {name}', 'ns', net(rows, 'ns'), ('value', '<=', goal),
            CILIUM if cilium else YARDSTICK, others=None if cilium else yardstick, recorded=cilium,
            notes=notes_of(case, cases), extra={'yardstick': sorted(y[0] for y in yardstick)[len(rows) // 2]}))
    return made
