#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ready.py PIDFILE LOG PROGRAM ARGS...: starts the program and prints the ms from fork until it says
READY=1 as to a service manager (sd_notify(3)). The program runs on."""
import os
import socket
import sys
import time

PATIENCE = 60


def main():
    pidfile, log, *command = sys.argv[1:]
    address = pidfile + '.notify'
    if os.path.exists(address):
        os.unlink(address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(address)
        told.settimeout(PATIENCE)
        env = dict(os.environ, NOTIFY_SOCKET=address)
        with open(log, 'a', encoding='utf-8') as out:
            begin = time.monotonic()
            pid = os.posix_spawn(command[0], command, env, file_actions=[
                (os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)])
            with open(pidfile, 'w', encoding='utf-8') as file:
                file.write(f'{pid}\n')
            while not any(line == b'READY=1' for line in told.recv(4096).split(b'\n')):
                if time.monotonic() - begin > PATIENCE:
                    sys.exit('never ready')
            print(f'{(time.monotonic() - begin) * 1000:.3f}')


main()
