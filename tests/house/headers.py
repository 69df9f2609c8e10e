#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every header compiles alone. Usage: headers.py BUILD-DIRECTORY"""
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import sources

LIBRARIES = ['libuv', 'libfyaml', 'jansson', 'libmicrohttpd', 'libnghttp2', 'libprotobuf-c', 'libbpf',
             'libmnl', 'libpcre2-8', 'libseccomp', 'libcap-ng']
WARNINGS = ['-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter', '-Wno-unused-function']


def command(build, path):
    if path.startswith('bpf/'):
        return ['clang-19', '--target=bpf', '-mcpu=v3', '-O2', '-g', *WARNINGS, '-I.', '-Ibpf',
                '-idirafter', '/usr/include/x86_64-linux-gnu', '-D__TARGET_ARCH_x86',
                '-include', path, '-x', 'c', '-fsyntax-only', os.devnull]
    flags = subprocess.run(['pkg-config', '--cflags', *LIBRARIES], capture_output=True, text=True,
                           check=True).stdout.split()
    includes = ['-I.', '-Isrc', f'-I{build}', f'-I{build}/proto', f'-I{build}/bpf', f'-I{build}/src']
    return ['gcc', '-std=gnu17', '-D_GNU_SOURCE', '-DTENDRIL_VERSION=""', *WARNINGS, *includes, *flags,
            '-include', path, '-x', 'c', '-fsyntax-only', os.devnull]


def check(build, path):
    run = subprocess.run(command(build, path), capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return None
    first = [line for line in run.stderr.splitlines() if 'error' in line or 'warning' in line]
    return f'{path}: {first[0] if first else run.stderr[:200]}'


def main():
    build = sys.argv[1]
    headers = [p for p in sources.files('.h') if p.startswith(('src/', 'abi/', 'bpf/'))]
    with ThreadPoolExecutor(max_workers=2) as pool:
        wrong = [w for w in pool.map(lambda p: check(build, p), headers) if w]
    sources.result(f'headers compile alone ({len(headers)})', wrong)


main()
