#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No program imports a libbpf symbol newer than 1.1, which is what Debian 12 has.
Usage: symbols.py BUILD-DIRECTORY"""
import os
import re
import subprocess
import sys

import sources

NEWEST = (1, 1, 0)
VERSION = re.compile(r'(\S+)@@?LIBBPF_(\d+)\.(\d+)\.(\d+)')


def is_elf(path):
    with open(path, 'rb') as file:
        return file.read(4) == b'\x7fELF'


def programs(build):
    for root, dirs, files in os.walk(build):
        dirs[:] = [d for d in dirs if not d.endswith('.p')]
        for name in files:
            path = os.path.join(root, name)
            if os.access(path, os.X_OK) and not os.path.islink(path) and is_elf(path):
                yield path


def main():
    wrong, count, users = [], 0, 0
    for path in programs(sys.argv[1]):
        out = subprocess.run(['nm', '-D', '--undefined-only', path], capture_output=True, text=True,
                             check=False).stdout
        found = VERSION.findall(out)
        count += 1
        users += bool(found)
        wrong += [f'{path} imports {name} of libbpf {a}.{b}.{c}' for name, a, b, c in found
                  if (int(a), int(b), int(c)) > NEWEST]
    sources.result(f'no libbpf symbol above 1.1 in {count} programs, {users} using libbpf', wrong)
    if not count:
        print('not ok programs to look at: none was built')


main()
