# SPDX-License-Identifier: Apache-2.0
"""What the house rules share: the project's files, and result lines for ./check."""
import os
import subprocess

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..'))
os.chdir(TOP)


def files(*suffixes):
    """The project's own files, committed or about to be, without build directories."""
    try:
        out = subprocess.run(['git', '-c', 'safe.directory=' + TOP, 'ls-files', '--cached', '--others',
                              '--exclude-standard'], check=True, capture_output=True, text=True).stdout
        names = out.splitlines()
    except (OSError, subprocess.CalledProcessError):
        names = []
        for root, dirs, found in os.walk('.'):
            dirs[:] = [d for d in dirs if not d.startswith(('build', '.git'))]
            names += [os.path.relpath(os.path.join(root, name), '.') for name in found]
    names = sorted(set(names))
    return [n for n in names if n.endswith(suffixes or ('',)) and os.path.isfile(n)]


def read(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return file.read()


def result(rule, wrong):
    """One result line for the rule, and one failure line per offence."""
    for line in wrong:
        print(f'not ok {rule}: {line}')
    if not wrong:
        print(f'ok {rule}')
