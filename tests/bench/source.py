# SPDX-License-Identifier: Apache-2.0
"""Where samples come from: programs and scripts that print one JSON object per line."""
import json
import os
import signal
import subprocess
import sys

import figures

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..'))
HERE = os.path.dirname(os.path.realpath(__file__))


class Failed(Exception):
    """A measurement could not be made; the text says why."""


def come_first():
    """What else runs on the machine shall disturb little, and both sides alike: the highest priority,
    in a session of its own, because that is what Linux weighs (sched(7), autogroup)."""
    os.setsid()
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    try:
        with open('/proc/self/autogroup', 'w', encoding='ascii') as file:
            file.write('-20')
    except OSError:
        pass  # a kernel without it weighs processes alone


def run(command, env):
    """(status, stdout, stderr) of a command that comes first; it ends with us."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                          preexec_fn=come_first) as process:
        try:
            out, err = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
        return process.returncode, out, err


class Context:
    """What a group needs: the build, the CPU to stay on, and the way to run things."""

    def __init__(self, build, cpu, quiet):
        self.build, self.cpu, self.quiet = build, cpu, quiet
        self.figure = figures.Figure

    def say(self, text):
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def measure(self, program, *args, **settings):
        """Rows printed by a program of tests/bench, built (bench-*) or a script (*.sh).

        settings become environment variables of a script."""
        if program.endswith('.sh'):
            command = ['bash', os.path.join(HERE, program), *args]
        else:
            command = [os.path.join(self.build, 'tests', 'bench', program), *args]
        env = dict(os.environ, TD_BUILD=self.build, CPU=str(self.cpu))
        env.update((key, str(value)) for key, value in settings.items())
        status, out, err = run(command, env)
        rows, rest = [], []
        for line in out.splitlines():
            if line.startswith('{'):
                rows.append(json.loads(line))
            else:
                rest.append(line)
        if status != 0 or not rows:
            said = '\n'.join([*rest, *err.splitlines()][-25:])
            raise Failed(f'{program} ended with status {status}:\n{said}')
        return rows


def by_case(rows):
    made = {}
    for row in rows:
        made.setdefault(row['case'], []).append(row)
    return made


def paired(rows):
    """(trials, others) of one case: samples of the same trial stand together."""
    trials, others = {}, {}
    for row in rows:
        trials.setdefault(row['trial'], []).append(row['value'])
        if row.get('alternative') is not None:
            others.setdefault(row['trial'], []).append(row['alternative'])
    order = sorted(trials)
    return [trials[t] for t in order], [others[t] for t in order if t in others] or None


def median(rows, key='value'):
    ordered = sorted(row[key] for row in rows)
    return ordered[len(ordered) // 2]
