#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files of at most 900 lines, functions of at most 80: the walls of CONTRIBUTING.md."""
import re

import sources

FILE_WALL, FUNCTION_WALL = 900, 80


def functions(lines):
    """(name, first line, length of the body) of each function of a clang-formatted C file."""
    start = None
    for number, line in enumerate(lines):
        if line == '{':
            start = number
        elif line.startswith('}') and start is not None:
            head = ' '.join(lines[max(0, start - 6):start])
            names = re.findall(r'(\w+)\s*\(', head)
            if line == '}':
                yield (names[-1] if names else '?', start + 1, number - start - 1)
            start = None


def main():
    long_files, long_functions, count = [], [], 0
    for path in sources.files('.c', '.h', '.py', '.sh'):
        lines = sources.read(path).split('\n')
        if len(lines) - 1 > FILE_WALL:
            long_files.append(f'{path} has {len(lines) - 1} lines, at most {FILE_WALL}')
        if not path.endswith(('.c', '.h')):
            continue
        for name, line, length in functions(lines):
            count += 1
            if length > FUNCTION_WALL:
                long_functions.append(f'{path}:{line}: {name} has {length} lines, at most {FUNCTION_WALL}')
    sources.result(f'files have at most {FILE_WALL} lines', long_files)
    sources.result(f'functions have at most {FUNCTION_WALL} lines', long_functions)
    if count < 10:
        print('not ok the function counter finds functions: it is broken')


main()
