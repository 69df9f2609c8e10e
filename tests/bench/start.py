# SPDX-License-Identifier: Apache-2.0
"""start: from exec to everything enforced, and from a policy's change to its effect."""
import source

ABOUT = 'start of tendrild, and change of a policy, with 0 and 200 endpoints'
TRIALS = 15


def run(context):
    cases = source.by_case(context.measure('start.sh', TRIALS=TRIALS))
    empty, load = source.paired(cases['empty'])
    full, same = source.paired(cases['full'])
    change, disk = source.paired(cases['policy'])
    p50, disk_p50 = source.median(cases['policy']), source.median(cases['policy'], 'alternative')
    return [
        context.figure('start: first start, 0 endpoints', 'ms', empty, ('value', '<=', 150),
                       'bpftool loading the same programs', others=load),
        context.figure('start: restart, 200 endpoints', 'ms', full, ('value', '<=', 500), 'with 0 endpoints',
                       others=same),
        context.figure('start: policy change on 200 endpoints, p99', 'ms', change, ('value', '<=', 20),
                       'keeping it on this disk (fsync)', others=disk, q=0.99,
                       notes=[f'p50 {p50:.1f} ms. An object that is applied is kept on disk before: p50 {disk_p50:.1f} ms '
                              'on this one, not in the value; one from a file or a runtime is not']),
    ]
