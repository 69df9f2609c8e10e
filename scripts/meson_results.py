#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints one result line per test case from meson's testlog.json.

Usage: meson_results.py SUITE TESTLOG.json MESON-OUTPUT
A test program that speaks TAP (cmocka with CMOCKA_MESSAGE_OUTPUT=TAP) counts by its cases; any other
counts as one. The output of what failed follows its result line, indented.
"""
import json
import re
import sys

CASE = re.compile(r'^(ok|not ok)\b\s*\d*\s*-?\s*(.*)$')


def cases(test):
    """(result, name) per case; an abnormal end is a failure however many cases passed."""
    rows = []
    for line in (test.get('stdout') or '').splitlines():
        match = CASE.match(line)
        if match:
            skipped = '# SKIP' in line.upper()
            rows.append(('skip' if skipped else match[1], match[2] or 'case'))
    return rows


def report(test):
    name, result = test['name'].split(' / ')[-1], test['result']
    rows = cases(test)
    for outcome, case in rows:
        if outcome == 'skip':
            why = re.split(r'#\s*skip', case, flags=re.I)
            print(f'skip {name}: {why[0].strip()} # {why[-1].strip() or "skipped by the test"}')
        else:
            print(f'{outcome} {name}: {case}')
    failed = any(outcome == 'not ok' for outcome, _ in rows)
    if result == 'SKIP' and not rows:
        lines = [line for line in (test.get('stdout', '') + '\n' + test.get('stderr', '')).splitlines() if line.strip()]
        print(f'skip {name} # {lines[-1] if lines else "the test says nothing"}')
    elif result in ('OK', 'SKIP', 'EXPECTEDFAIL'):
        if not rows:
            print(f'ok {name}')
    elif not failed:
        print(f'not ok {name}: {result.lower()}, status {test.get("returncode")}')
        failed = True
    if failed:
        text = (test.get('stdout') or '') + (test.get('stderr') or '')
        for line in text.splitlines()[-60:]:
            print('    ' + line)


def main():
    suite, path, output = sys.argv[1:4]
    try:
        with open(path, encoding='utf-8') as log:
            tests = [json.loads(line) for line in log if line.strip()]
    except FileNotFoundError:
        with open(output, encoding='utf-8') as log:
            text = log.read()
        if 'No suitable tests defined' in text or 'No tests defined' in text:
            print(f'# suite {suite} has no tests')
            return
        print(f'not ok {suite}: meson test wrote no results')
        print('    ' + '\n    '.join(text.splitlines()[-30:]))
        return
    for test in tests:
        report(test)


main()
