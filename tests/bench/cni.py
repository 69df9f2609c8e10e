# SPDX-License-Identifier: Apache-2.0
"""cni: ADD and DEL beside bridge and host-local (docs/performance.md)."""
import source

ABOUT = 'CNI ADD and DEL beside the bridge and host-local plugins'
TRIALS = 20
BRIDGE = 'bridge + host-local'


def run(context):
    cases = source.by_case(context.measure('cni.sh', TRIALS=TRIALS))
    made = []
    for command in ('ADD', 'DEL'):
        trials, others = source.paired(cases[command])
        for name, q in (('p50', 0.5), ('p99', 0.99)):
            made.append(context.figure(f'cni: {command} {name}', 'ms', trials, ('ratio', '<=', 0.5), BRIDGE,
                                       others=others, q=q))
    return made
