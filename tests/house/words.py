#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Words that promise work instead of doing it, and references to what is not in the project."""
import re

import sources

PROMISES = re.compile(r'\b(T' r'ODO|F' r'IXME|X' r'XX|H' r'ACK|not (yet )?imple' r'mented|st' r'ubs?)\b')
# ../shared/ is outside the project: only a test may look there, and must do without it.
OUTSIDE = re.compile(r'(^|[\s"\'(=:])(\.\./)*shared/')
SHARED_ALLOWED = re.compile(r'^(tests/|.*_test\.(c|py|sh)$)')
PLACES = re.compile(r'(^|[\s"\'(=:])/(work|home/\w+)/')
TEXT = ('.c', '.h', '.def', '.py', '.sh', '.build', '.md', '.proto', '.yaml', '.service', '.1', '.5', '.8',
        '.html', '.js', '.css', '.txt', '.conf')
OWN = 'tests/house/words.py'


def main():
    promises, outside, places = [], [], []
    for path in sources.files():
        if path == OWN or path.startswith('LICENSES/'):
            continue
        if not path.endswith(TEXT) and '.' in path.rsplit('/', 1)[-1]:
            continue
        for number, line in enumerate(sources.read(path).split('\n'), 1):
            where = f'{path}:{number}: {line.strip()[:90]}'
            if PROMISES.search(line):
                promises.append(where)
            if OUTSIDE.search(line) and not SHARED_ALLOWED.match(path):
                outside.append(where)
            if PLACES.search(line):
                places.append(where)
    sources.result('no words that promise work', promises)
    sources.result('nothing outside the project is referred to', outside)
    sources.result('no path of one developer\'s machine', places)


main()
