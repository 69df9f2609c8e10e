# SPDX-License-Identifier: Apache-2.0
"""pod: pod to pod on one node over TCP, beside a Linux bridge (docs/performance.md)."""
import source

ABOUT = 'latency and throughput between pods, and what reporting costs'
TRIALS = 15
BRIDGE = 'Linux bridge'


def run(context):
    cases = source.by_case(context.measure('pod.sh', TRIALS=TRIALS))

    def figure(case, name, unit, goal, alternative, notes=()):
        trials, others = source.paired(cases[case])
        return context.figure(name, unit, trials, goal, alternative, others=others, notes=notes)

    def beside(case, text):
        rows = cases[case]
        return text.format(source.median(rows), source.median(rows, 'alternative'))

    return [
        figure('latency', 'pod: TCP round trip p50', 'us', ('ratio', '<=', 0.85), BRIDGE, [
            beside('floor', 'over loopback in one namespace: {1:.1f} us'),
            beside('latency-p99', 'p99 {0:.0f} us, bridge {1:.0f} us'),
            beside('cpu', 'CPU time per round trip, both processes and the observer: {0:.0f} ns, bridge {1:.0f} ns')]),
        figure('throughput', 'pod: TCP throughput', 'Gbit/s', ('ratio', '>=', 1.0), BRIDGE, [
            beside('throughput-cpu', 'CPU time per MB: {0:.0f} ns, bridge {1:.0f} ns')]),
        figure('reporting', 'pod: CPU time of a round trip, reporting', 'ns', ('ratio', '<=', 1.03), 'no observer', [
            beside('reporting-connect', 'CPU time of a connection with one round trip, the observer\'s included: '
                   '{0:.0f} ns, without an observer {1:.0f} ns')]),
    ]
