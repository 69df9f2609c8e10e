#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The layer law over the #includes: a room sees only the rooms below it, never a sibling.

abi/ sees only abi/; bpf/ sees abi/ and bpf/; only datapath/ (and what loads programs in tests) calls
libbpf. Includes in quotes are the project's own; where one points is found as the compiler would.
"""
import os
import re

import sources

LAYERS = [
    {'base'}, {'wire'}, {'model'}, {'store'}, {'source', 'identity', 'ipam'},
    {'policy', 'service', 'trace'}, {'datapath'}, {'flow', 'process', 'proxy'},
    {'api', 'metrics', 'web'}, {'cmd'},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)
GENERATED = re.compile(r'\.(skel|pb-c)\.h$')


def target(path, name):
    """The file of the project an include names, relative to the top; None for a system header."""
    for base in (os.path.dirname(path), '.', 'src', 'bpf'):
        found = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(found):
            return found
    return None


def room_of(path):
    parts = path.split('/')
    return parts[1] if parts[0] == 'src' and len(parts) > 2 else None


def offence(path, kind, name):
    is_test = path.endswith('_test.c')
    found = target(path, name)
    if GENERATED.search(name):
        if name.endswith('.skel.h') and room_of(path) not in ('datapath', None) and not is_test:
            return 'skeletons belong to datapath'
        return None
    if kind == '<' and name.startswith('bpf/') and path.startswith('src/'):
        if room_of(path) != 'datapath':
            return 'only datapath calls libbpf'
        return None
    if found is None:
        return 'no such file in the project' if kind == '"' else None
    top = path.split('/')[0]
    if top == 'abi' and not found.startswith('abi/'):
        return 'abi/ includes only abi/'
    if top == 'bpf' and not found.startswith(('abi/', 'bpf/')):
        return 'bpf/ includes only abi/ and bpf/'
    if top != 'src':
        return None
    if found.startswith('bpf/'):
        return 'user space shares abi/ with BPF, not bpf/'
    here, there = room_of(path), room_of(found)
    if there is None or here == there:
        return None
    if here not in LEVEL or there not in LEVEL:
        return f'room {here if here not in LEVEL else there} is not in the layer law'
    if LEVEL[there] > LEVEL[here]:
        return f'{here} is below {there}'
    if LEVEL[there] == LEVEL[here]:
        return f'{here} and {there} are siblings'
    return None


def main():
    wrong, guards, order = [], [], []
    for path in sources.files('.c', '.h', '.def'):
        text = sources.read(path)
        for match in INCLUDE.finditer(text):
            what = offence(path, match[1], match[2])
            if what:
                line = text.count('\n', 0, match.start(2)) + 1
                wrong.append(f'{path}:{line}: includes {match[2]}: {what}')
        if path.endswith('.h') and '#pragma once' not in text:
            guards.append(path)
        own = os.path.basename(path)[:-2] + '.h'
        if path.startswith('src/') and path.endswith('.c') and os.path.exists(os.path.join(os.path.dirname(path), own)):
            first = INCLUDE.search(text)
            if not first or os.path.basename(first[2]) != own:
                order.append(f'{path}: the first include is not {own}')
    sources.result('layer law over the includes', wrong)
    sources.result('headers use #pragma once', guards)
    sources.result('a .c file includes its own header first', order)


main()
