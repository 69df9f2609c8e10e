#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An echo server for the tests: answers what it gets, and hurries nobody.

Usage: echo.py tcp|udp PORT[,PORT...] [ADDRESS...]     default: every address, both families
(socat with EXEC:cat gives up half a second after the client's FIN, which a busy machine exceeds.)
"""
import itertools
import selectors
import socket
import sys

watch = selectors.DefaultSelector()


def listener(kind, address, port):
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != '::')
    sock.bind((address, port))
    if kind == socket.SOCK_STREAM:
        sock.listen(512)
    return sock


def answer_datagram(sock):
    data, peer = sock.recvfrom(65536)
    sock.sendto(data, peer)


def answer_stream(sock):
    try:
        data = sock.recv(65536)
        if data:
            sock.sendall(data)
            return
    except OSError:
        pass
    watch.unregister(sock)
    sock.close()


def accept(sock):
    client, _ = sock.accept()
    watch.register(client, selectors.EVENT_READ, answer_stream)


def main():
    kind = {'tcp': socket.SOCK_STREAM, 'udp': socket.SOCK_DGRAM}[sys.argv[1]]
    for address, port in itertools.product(sys.argv[3:] or ['::'], sys.argv[2].split(',')):
        watch.register(listener(kind, address, int(port)), selectors.EVENT_READ,
                       accept if kind == socket.SOCK_STREAM else answer_datagram)
    while True:
        for key, _ in watch.select():
            try:
                key.data(key.fileobj)
            except OSError as error: # a peer that went away is not the server's end
                print(error, file=sys.stderr)


if __name__ == '__main__':
    main()
