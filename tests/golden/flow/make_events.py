#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes session.events: events as the data path puts them into its ring (abi/event.h), in hex, one
per line, for a machine whose byte order is little-endian. Run it again when the ABI changes."""
import ipaddress
import os
import struct

TRACE, DROP, CLOSE, DNS = 1, 2, 3, 4
VERDICT_E, VERDICT_I, DENIED_E, DENIED_I, REPLY, NAT = 1, 2, 4, 8, 16, 32
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
FIN, SYN, RST, ACK = 1, 2, 4, 16
TO_ENDPOINT, TO_STACK, TO_NETWORK = 0, 3, 11
NEW, ESTABLISHED, ANSWERED = 1, 2, 3

# name: (addresses, identity, endpoint id)
XWING = ('10.0.0.7', 16092, 7)
XWING6 = ('fd00::7', 16092, 7)
TIE = ('10.0.0.6', 16094, 6)
STAR = ('10.0.0.8', 16081, 8)
COREDNS = ('10.0.0.53', 453, 53)
DISNEY = ('203.0.113.80', 2, 0)
DISNEY6 = ('2001:db8::80', 2, 0)
HOST = ('192.0.2.10', 1, 0)

clock = 1_000_000_000


def address(text):
    ip = ipaddress.ip_address(text)
    return ip.packed if ip.version == 6 else b'\0' * 10 + b'\xff\xff' + ip.packed


def event(kind, source, target, *, point=0, reason=0, flags=0, protocol=TCP, tcp=0, icmp=(0, 0),
          ports=(0, 0), rules=(0, 0), match=0, xlated=None, ifindex=17, counts=(0, 0, 0, 0), cookie=0):
    global clock
    clock += 1_234_567
    version = ipaddress.ip_address(source[0]).version
    data = struct.pack('<Q8B', clock, kind, point, reason, flags, protocol, tcp, *icmp)
    data += address(source[0]) + address(target[0]) + struct.pack('>2H', *ports)
    data += struct.pack('<2I2H2I2B', source[1], target[1], source[2], target[2], *rules, match, version)
    data += struct.pack('>H', 61000 if xlated else 0) + (address(xlated) if xlated else b'\0' * 16)
    data += struct.pack('<I', ifindex) + bytes([0x0e, 0x54, 0, 0, 0, source[2]]) + b'\x0e\x54\0\0\0\0'
    data += struct.pack('<I5Q', 1, *counts, cookie)
    assert len(data) == 152, len(data)
    return data


def dns(receiver, name, addresses):
    labels = b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\0'
    message = struct.pack('>6H', 1, 0x8180, 1, len(addresses), 0, 0) + labels + struct.pack('>2H', 1, 1)
    for text in addresses:
        ip = ipaddress.ip_address(text)
        message += b'\xc0\x0c' + struct.pack('>HHIH', 28 if ip.version == 6 else 1, 1, 60, len(ip.packed))
        message += ip.packed
    head = event(DNS, COREDNS, receiver, protocol=UDP, ports=(53, 41391))
    return head + struct.pack('<4H', len(message), 0, 0, 0) + message


def session():
    yield 'xwing asks coredns; nothing isolates either', event(
        TRACE, XWING, COREDNS, reason=NEW, protocol=UDP, ports=(41391, 53), counts=(1, 0, 60, 0))
    yield 'the answer on the wire: names only', dns(XWING, 'www.disney.com', ['203.0.113.80', '2001:db8::80'])
    yield 'and as a flow', event(
        TRACE, COREDNS, XWING, reason=ANSWERED, flags=REPLY, protocol=UDP, ports=(53, 41391),
        counts=(1, 1, 60, 104))
    yield 'xwing connects to the outside, masqueraded', event(
        TRACE, XWING, DISNEY, point=TO_STACK, reason=NEW, flags=NAT, tcp=SYN, ports=(37836, 443),
        xlated='192.0.2.10', counts=(1, 0, 60, 0), cookie=4711)
    yield 'the reply', event(
        TRACE, DISNEY, XWING, reason=ANSWERED, flags=REPLY, tcp=SYN | ACK, ports=(443, 37836), ifindex=2,
        counts=(1, 1, 60, 60))
    yield 'tiefighter to deathstar: both ends enforced, a rule allows', event(
        TRACE, TIE, STAR, reason=NEW, flags=VERDICT_E | VERDICT_I, tcp=SYN, ports=(50000, 80),
        rules=(1, 16), match=4 | 2 << 4, counts=(1, 0, 60, 0))
    yield 'xwing to deathstar: default deny at the receiver', event(
        DROP, XWING, STAR, reason=133, flags=VERDICT_I | DENIED_I, tcp=SYN, ports=(49610, 80),
        rules=(1, 2), match=4, counts=(1, 0, 60, 0))
    yield 'denied by a rule at the sender', event(
        DROP, XWING, TIE, reason=181, flags=VERDICT_E | DENIED_E, tcp=SYN, ports=(49611, 22),
        rules=(17, 0), match=1, counts=(1, 0, 60, 0))
    yield 'a source address that is not the pod\'s', event(
        DROP, ('10.9.9.9', 0, 7), STAR, reason=132, protocol=UDP, ports=(1, 2))
    yield 'ping of IPv6, outside', event(
        TRACE, XWING6, DISNEY6, point=TO_NETWORK, reason=NEW, protocol=ICMP6, icmp=(128, 0))
    yield 'the node pings its pod', event(
        TRACE, HOST, STAR, reason=NEW, protocol=ICMP, icmp=(8, 0), ifindex=18)
    yield 'an ICMP error of the outside', event(
        TRACE, DISNEY, XWING, reason=4, protocol=ICMP, icmp=(3, 3), ifindex=2)
    yield 'what no build of ours sends: unknown point, reason and protocol', event(
        TRACE, XWING, DISNEY, point=77, reason=0, protocol=99)
    yield 'a drop with a number nobody knows', event(DROP, XWING, DISNEY, reason=250, tcp=FIN | ACK, ports=(9, 9))
    yield 'the end of a connection', event(
        CLOSE, XWING, DISNEY, point=TO_STACK, reason=ESTABLISHED, ports=(37836, 443), counts=(12, 9, 1500, 9000))


def main():
    with open(os.path.join(os.path.dirname(__file__), 'session.events'), 'w', encoding='ascii') as out:
        for comment, data in session():
            out.write(f'# {comment}\n{data.hex()}\n')


main()
