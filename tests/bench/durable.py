#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""durable.py DIR COUNT BYTES: ms to make a file durable, as an applied object is kept: written under
another name, fsync, rename, fsync of the directory."""
import os
import sys
import time


def main():
    directory, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    path, draft = os.path.join(directory, 'durable'), os.path.join(directory, 'durable.new')
    at = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(count):
        begin = time.monotonic()
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, b'x' * size)
        os.fsync(fd)
        os.close(fd)
        os.rename(draft, path)
        os.fsync(at)
        print(f'{(time.monotonic() - begin) * 1000:.4f}')
        time.sleep(0.01)
    os.close(at)
    os.unlink(path)


main()
