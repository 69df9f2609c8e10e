#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every source file names its licence in its first lines; BPF programs also tell the kernel."""
import re

import sources

DUAL, APACHE = 'GPL-2.0-only OR BSD-2-Clause', 'Apache-2.0'
SUFFIXES = ('.c', '.h', '.def', '.py', '.sh', '.build', '.proto', 'meson_options.txt', '.clang-format',
            '.service', '.css', '.js')
SPDX = re.compile(r'SPDX-License-Identifier: ([^*\n]+?)\s*(?:\*/|-->|$)', re.M)
KERNEL = re.compile(r'char \w+\[\] SEC\("license"\) = "Dual BSD/GPL";')
# A header there may be shared with a BPF program beside it.
BPF_TOO = ('tests/', 'examples/')
# Published schemas keep the licence line of their publisher.
FOREIGN = ('proto/',)


def is_script(path):
    return '.' not in path.rsplit('/', 1)[-1] and sources.read(path).startswith('#!')


def main():
    wrong, kernel = [], []
    for path in sources.files():
        if not path.endswith(SUFFIXES) and not is_script(path):
            continue
        text = sources.read(path)
        is_bpf = path.endswith('.bpf.c')
        dual = is_bpf or path.startswith(('bpf/', 'abi/')) and path.endswith(('.c', '.h', '.def'))
        if is_bpf and not KERNEL.search(text):
            kernel.append(f'{path}: no `char LICENSE[] SEC("license") = "Dual BSD/GPL";`')
        found = SPDX.search('\n'.join(text.split('\n')[:5]))
        if not found:
            wrong.append(f'{path}: no SPDX-License-Identifier in the first lines')
        elif path.startswith(FOREIGN) or found[1] == DUAL and path.startswith(BPF_TOO) and path.endswith('.h'):
            continue
        elif found[1] != (DUAL if dual else APACHE):
            wrong.append(f'{path}: licence {found[1]}, expected {DUAL if dual else APACHE}')
    sources.result('every source file names its licence', wrong)
    sources.result('BPF programs tell the kernel "Dual BSD/GPL"', kernel)


main()
