# SPDX-License-Identifier: Apache-2.0
"""What the network tests say on the wire that no ordinary program says, and what they look up.

Run with a verb of the table at the end. Answers are one line each, so that scripts can compare them.
"""
import errno
import hashlib
import itertools
import json
import os
import re
import select
import socket
import struct
import sys
import time

TIMEOUT = float(os.environ.get('TRY_SECONDS', '2'))


def family(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def said(error):
    return errno.errorcode.get(error.errno, 'TIMEOUT') if not isinstance(error, TimeoutError) else 'TIMEOUT'


# --- sockets ---

def connect(address, port, own='0'):
    """How a TCP connection attempt ends, and whether at once; it is closed from here."""
    begin = time.monotonic()
    with socket.socket(family(address), socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT)
        sock.bind(('::' if sock.family == socket.AF_INET6 else '', int(own)))
        try:
            sock.connect((address, int(port)))
            end = 'connected'
        except OSError as error:
            end = said(error)
    print(end, 'at-once' if time.monotonic() - begin < TIMEOUT / 2 else 'late')


def send_udp(address, port):
    """What comes back to a connected UDP socket: data or the error of an ICMP message."""
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT)
        # All ICMP errors count, not only those of port unreachable.
        level, option = (socket.IPPROTO_IPV6, 25) if sock.family == socket.AF_INET6 else (socket.IPPROTO_IP, 11)
        sock.setsockopt(level, option, 1)
        try:
            sock.connect((address, int(port)))
            sock.send(b'hello\n')
            print(sock.recv(100).decode().strip())
        except OSError as error:
            print(said(error))


def big_udp(address, port, size):
    """A datagram of this size goes there in fragments and comes back whole."""
    data = (hashlib.sha256(address.encode()).digest() * 2048)[:int(size)]
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT)
        # No path MTU discovery: fragments at once.
        level, option = (socket.IPPROTO_IPV6, 23) if sock.family == socket.AF_INET6 else (socket.IPPROTO_IP, 10)
        sock.setsockopt(level, option, 0)
        sock.connect((address, int(port)))
        for _ in range(2):
            try:
                sock.send(data)
                print('whole' if sock.recv(65535) == data else 'garbled')
                return
            except OSError as error:
                end = said(error)
    print(end)


def echo_udp(address, port):
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        level, option = (socket.IPPROTO_IPV6, 23) if sock.family == socket.AF_INET6 else (socket.IPPROTO_IP, 10)
        sock.setsockopt(level, option, 0)
        sock.bind((address, int(port)))
        while True:
            data, peer = sock.recvfrom(65535)
            sock.sendto(data, peer)


def who(address, port):
    """Tells every client, by TCP and UDP, the address and port it is seen with."""
    tcp = socket.socket(family(address), socket.SOCK_STREAM)
    udp = socket.socket(family(address), socket.SOCK_DGRAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind((address, int(port)))
    udp.bind((address, int(port)))
    tcp.listen(64)
    while True:
        for ready in select.select([tcp, udp], [], [])[0]:
            if ready is udp:
                _, peer = udp.recvfrom(2000)
                udp.sendto(f'{peer[0]} {peer[1]}\n'.encode(), peer)
            else:
                client, peer = tcp.accept()
                with client:
                    client.sendall(f'{peer[0]} {peer[1]}\n'.encode())


def ask(protocol, address, port, source_port='0'):
    """Asks who()."""
    kind = socket.SOCK_STREAM if protocol == 'tcp' else socket.SOCK_DGRAM
    with socket.socket(family(address), kind) as sock:
        sock.settimeout(TIMEOUT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(('::' if sock.family == socket.AF_INET6 else '', int(source_port)))
        try:
            sock.connect((address, int(port)))
            if protocol == 'udp':
                sock.send(b'?')
            print(sock.recv(200).decode().strip())
        except OSError as error:
            print(said(error))


def hold(address, port, count):
    """Keeps connections to an echo server; for every line read, tells how many still answer."""
    socks = []
    for _ in range(int(count)):
        try:
            socks.append(socket.create_connection((address, int(port)), TIMEOUT))
            socks[-1].settimeout(5)
        except OSError:
            pass
    for number, _ in enumerate(itertools.chain(['first'], sys.stdin)):
        alive = 0
        for sock in socks:
            try:
                sock.sendall(b'%06d' % number)
                alive += sock.recv(6, socket.MSG_WAITALL) == b'%06d' % number
            except OSError:
                pass
        print(alive, flush=True)


def talk(address, port, own):
    """Exchanges numbers with an echo server, about 50 a second; tells each that came back, and the end."""
    try:
        with socket.create_connection((address, int(port)), TIMEOUT, ('', int(own))) as sock:
            for number in itertools.count(1):
                sock.sendall(b'%06d' % number)
                if sock.recv(6, socket.MSG_WAITALL) != b'%06d' % number:
                    break
                print(number, flush=True)
                time.sleep(0.02)
        print('closed', flush=True)
    except OSError as error:
        print(said(error), flush=True)


def echo_tcp(address, port):
    """An echo server for many clients."""
    server = socket.socket(family(address), socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, int(port)))
    server.listen(1024)
    poll, clients = select.epoll(), {}
    poll.register(server, select.EPOLLIN)
    while True:
        for number, _ in poll.poll():
            if number == server.fileno():
                client, _ = server.accept()
                clients[client.fileno()] = client
                poll.register(client, select.EPOLLIN)
                continue
            try:
                data = clients[number].recv(65536)
                if data:
                    clients[number].sendall(data)
            except OSError:
                data = b''
            if not data:
                poll.unregister(number)
                clients.pop(number).close()


def peer(protocol, address, port, mapped=''):
    """Who the socket believes to talk to, and what it hears from there: connected."""
    kind = socket.SOCK_STREAM if protocol == 'tcp' else socket.SOCK_DGRAM
    target = '::ffff:' + address if mapped else address
    with socket.socket(family(target), kind) as sock:
        sock.settimeout(TIMEOUT)
        try:
            sock.connect((target, int(port)))
            sock.send(b'hello\n')
            heard = sock.recv(100).decode().strip()
            print(*sock.getpeername()[:2], heard)
        except OSError as error:
            print(said(error))


def sendto(address, port, mapped=''):
    """The same of an unconnected UDP socket: from whom the answer seems to come."""
    target = '::ffff:' + address if mapped else address
    with socket.socket(family(target), socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT)
        try:
            sock.sendto(b'hello\n', (target, int(port)))
            heard, source = sock.recvfrom(100)
            print(*source[:2], heard.decode().strip())
        except OSError as error:
            print(said(error))


def simultaneous(address, port, own):
    """One side of a simultaneous open: connects from a port to the other's until it works."""
    end = time.monotonic() + TIMEOUT * 15  # the two SYNs must cross: that takes some tries
    while time.monotonic() < end:
        sock = socket.socket(family(address), socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(('::' if sock.family == socket.AF_INET6 else '', int(own)))
        sock.settimeout(0.5)
        try:
            sock.connect((address, int(port)))
            sock.settimeout(TIMEOUT)
            sock.sendall(b'hello\n')
            print(sock.recv(100).decode().strip())
            return
        except OSError:
            sock.close()
            time.sleep(0.01)
    print('TIMEOUT')


# --- frames ---

def checksum(data):
    data += b'\0' * (len(data) & 1)
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packed(address):
    return socket.inet_pton(family(address), address)


def mac(text):
    return bytes.fromhex(text.replace(':', ''))


def packet(src, dst, protocol, body, checksum_at=None, ttl=64):
    """An IP packet; the transport checksum is filled in at checksum_at."""
    source, destination = packed(src), packed(dst)
    if checksum_at is not None:
        pseudo = source + destination + struct.pack('!II', len(body), protocol)
        if protocol == 1:
            pseudo = b''
        filled = checksum(pseudo + body) or 0xffff
        body = body[:checksum_at] + struct.pack('!H', filled) + body[checksum_at + 2:]
    if len(source) == 16:
        return struct.pack('!IHBB', 6 << 28, len(body), protocol, ttl) + source + destination + body
    header = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(body), 0, 0, ttl, protocol, 0) + source + destination
    return header[:10] + struct.pack('!H', checksum(header)) + header[12:] + body


def tcp_segment(src, dst, sport, dport, flags):
    body = struct.pack('!HHIIBBHHH', sport, dport, 1, 0, 0x50, flags, 1024, 0, 0)
    return packet(src, dst, 6, body, 16)


def udp_datagram(src, dst, sport, dport):
    data = b'spoofed'
    return packet(src, dst, 17, struct.pack('!HHHH', sport, dport, 8 + len(data), 0) + data, 6)


def nd_message(kind, src, dst, own_mac, target):
    body = {
        'rs': lambda: struct.pack('!BBHI', 133, 0, 0, 0) + b'\1\1' + own_mac,
        'ra': lambda: struct.pack('!BBHBBHII', 134, 0, 0, 64, 0, 1800, 0, 0) + b'\1\1' + own_mac +
        struct.pack('!BBBBIII', 3, 4, 64, 0xc0, 86400, 86400, 0) + packed('2001:db8:bad::'),
        'ns': lambda: struct.pack('!BBHI', 135, 0, 0, 0) + packed(target) + b'\1\1' + own_mac,
        'na': lambda: struct.pack('!BBHI', 136, 0, 0, 0x60000000) + packed(target) + b'\2\1' + own_mac,
        'redirect': lambda: struct.pack('!BBHI', 137, 0, 0, 0) + packed(src) + packed(target),
    }[kind]()
    return packet(src, dst, 58, body, 2, ttl=255)


def arp_request(own_mac, src, dst):
    return struct.pack('!HHBBH', 1, 0x800, 6, 4, 1) + own_mac + packed(src) + bytes(6) + packed(dst)


def send_frames(device, frames):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((device, 0))
        for frame in frames:
            while True:
                try:
                    sock.send(frame)
                    break
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
                    time.sleep(0.001)


def framed(src_mac, dst_mac, body, proto=None):
    proto = proto or (0x86dd if body[0] >> 4 == 6 else 0x800)
    return mac(dst_mac) + mac(src_mac) + struct.pack('!H', proto) + body


def frame(device, src_mac, dst_mac, kind, src, dst, *more):
    """Sends one frame: kind udp|tcp SPORT DPORT, rs|ra|ns|na|redirect TARGET, arp."""
    if kind == 'udp':
        body = udp_datagram(src, dst, int(more[0]), int(more[1]))
    elif kind == 'tcp':
        body = tcp_segment(src, dst, int(more[0]), int(more[1]), int(more[2], 0) if more[2:] else 2)
    elif kind == 'arp':
        send_frames(device, [framed(src_mac, dst_mac, arp_request(mac(src_mac), src, dst), 0x806)])
        return
    else:
        body = nd_message(kind, src, dst, mac(src_mac), more[0] if more else dst)
    send_frames(device, [framed(src_mac, dst_mac, body)])


def flood(device, src_mac, dst_mac, src, dst, port, count):
    """Half-open TCP attempts, each from another port or to another one."""
    def frames():
        for number in range(int(count)):
            sport, dport = 1024 + number % 60000, int(port) + number // 60000
            yield framed(src_mac, dst_mac, tcp_segment(src, dst, sport, dport, 2))
    send_frames(device, frames())


def neighbours(device, src_mac, dst_mac, kind, dst, count):
    """ARP requests or neighbour solicitations for dst from many made-up senders."""
    def frames():
        for number in range(int(count)):
            if kind == 'arp':
                src = f'10.99.{number >> 8}.{number & 255}'
                yield framed(src_mac, dst_mac, arp_request(mac(src_mac), src, dst), 0x806)
            else:
                yield framed(src_mac, dst_mac, nd_message('ns', f'fe80::bad:{number:x}', dst, mac(src_mac), dst))
    send_frames(device, frames())


# --- what was reported ---

def field(flow, path):
    """Values at a dotted path; lists are gone through."""
    found = [flow]
    for name in path.split('.'):
        step = []
        for value in found:
            value = value.get(name) if isinstance(value, dict) else None
            step += value if isinstance(value, list) else [] if value is None else [value]
        found = step
    return found


def flow(*wanted):
    """Succeeds if a flow on standard input has all PATH=VALUE (or PATH!, absent)."""
    for line in sys.stdin:
        one = json.loads(line).get('flow', {})
        if all(not field(one, want[:-1]) if want.endswith('!') else
               want.split('=', 1)[1] in [str(value) for value in field(one, want.split('=', 1)[0])]
               for want in wanted):
            return
    sys.exit(1)


RULE = re.compile(r'(?:allowed|denied) by \S+ \S+, (in|e)gress (?:deny )?rule (\d+)')


def decided(one):
    """Who decided, as short as a table wants it; None: this flow tells no decision."""
    text = one.get('extensions', {}).get('value', {}).get('decision', '')
    rule = RULE.match(text)
    if rule:
        token, reason = {'in': 'in', 'e': 'out'}[rule[1]] + rule[2], 'POLICY_DENY'
    elif text.startswith('denied by default'):
        token, reason = 'in' if 'the ingress of' in text else 'out', 'POLICY_DENIED'
    elif text.startswith('allowed: the node'):
        return 'node'
    else:
        return text or None
    direction = {'INGRESS': 'in', 'EGRESS': 'out'}.get(one.get('traffic_direction'))
    if one['verdict'] == 'DROPPED' and one.get('drop_reason_desc') != reason:
        return f'{token} for {one.get("drop_reason_desc")}'
    return token if token.startswith(direction or '?') else f'{token} told as {direction}'


def outcome(flows, row):
    """What was reported of one attempt: pass, pass:RULES, drop:RULE or a text that no table has."""
    own, source, destination, protocol = row[1:5]
    found = {'FORWARDED': [], 'DROPPED': []}
    for one in flows:
        (kind, layer), = one.get('l4', {'': {}}).items()
        if one.get('is_reply') or (one['IP']['source'], one['IP']['destination']) != (source, destination) or \
                not kind.lower().startswith(protocol) or ('type' not in layer and layer.get('source_port') != int(own)):
            continue
        found.setdefault(one['verdict'], []).append(one)
    passed = any('trace_observation_point' in one for one in found['FORWARDED'])
    names = {name: '+'.join(sorted({decided(one) or '?' for one in some if name == 'DROPPED' or decided(one)}))
             for name, some in found.items()}
    if found['DROPPED']:
        return f'drop:{names["DROPPED"]}' + (' after it passed' if passed else '')
    if not passed:
        return 'nothing'
    return f'pass:{names["FORWARDED"]}' if names['FORWARDED'] else 'pass'


def judge(rows_file, flows_file, offset):
    """Holds rows of EXIT-STATUS OWN-PORT SOURCE DESTINATION PROTOCOL WANT NAME against the flows of
    `tendril observe -f -o json` from an offset of the file on; the latest may come a moment later."""
    with open(rows_file, encoding='utf-8') as file:
        rows = [line.rstrip('\n').split('\t') for line in file]
    with open(flows_file, encoding='utf-8') as file:
        file.seek(int(offset))
        text, end, wrong = '', time.monotonic() + TIMEOUT, rows
        while wrong:
            text += file.read()
            flows = [json.loads(line).get('flow') for line in text[:text.rfind('\n') + 1].splitlines()]
            found = [outcome(filter(None, flows), row) for row in rows]
            wrong = [row for row, got in zip(rows, found) if got != row[5]]
            if time.monotonic() > end:
                break
            time.sleep(0.1 if wrong else 0)
    for row, got in zip(rows, found):
        as_wanted = got == row[5] and (row[0] == '0') == got.startswith('pass') and row[0] not in ('126', '127')
        print('ok' if as_wanted else 'not ok', row[6] if as_wanted else
              f'{row[6]}: reported {got}, the client ended with {row[0]}; expected {row[5]}', sep='\t')


VERBS = (connect, send_udp, big_udp, echo_udp, echo_tcp, who, ask, hold, talk, peer, sendto, simultaneous, frame,
         flood, neighbours, flow, judge)

if __name__ == '__main__':
    {verb.__name__: verb for verb in VERBS}[sys.argv[1]](*sys.argv[2:])
