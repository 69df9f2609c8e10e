#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected tables of cases, by a reader of policies that knows nothing of tables.

    expect.py --cluster FILE... CASES...           the cases whose tables are not as written here
    expect.py --cluster FILE... --write CASES...   writes the tables into the cases

Follows docs/policy.md, statement by statement, one rule after the other for each cell. It shares
nothing with the compiler, so that the two can be held against each other."""
import copy
import ipaddress
import json
import sys

NAMESPACE = 'io.kubernetes.pod.namespace'
NAMESPACE_LABEL = 'io.cilium.k8s.namespace.labels.'
ACCOUNT = 'io.cilium.k8s.policy.serviceaccount'
CLUSTER = 'io.cilium.k8s.policy.cluster'
METADATA = 'kubernetes.io/metadata.name'
PORTS = ('TCP', 'UDP', 'SCTP')
INSIDE = ('host', 'remote-node', 'kube-apiserver', 'health', 'ingress', 'init', 'unmanaged')
ICMP_NAMES = {'EchoReply': 0, 'EchoRequest': 8, 'TimeExceeded': 11}
ICMP6_NAMES = {'EchoRequest': 128, 'EchoReply': 129}
LISTS = {'ingress': ('ingress', 'ingressDeny', 'from'), 'egress': ('egress', 'egressDeny', 'to')}


# Who there is

class Pod:
    def __init__(self, namespace, name, labels, ip, ports):
        self.namespace, self.name, self.ip, self.ports = namespace, name, ip, ports
        self.account = labels.get(ACCOUNT, 'default')
        self.labels = {key: value for key, value in labels.items()
                       if key not in (NAMESPACE, ACCOUNT, CLUSTER) and
                       not key.startswith(NAMESPACE_LABEL)}


class World:
    def __init__(self, cluster):
        self.cluster = cluster.get('cluster_name', 'default')
        self.namespaces, self.pods, self.policies = {}, {}, {}
        for name, labels in cluster.get('namespaces', {}).items():
            self.namespaces[name] = dict(labels)
        for pod in cluster['pods']:
            self.put_pod(pod)

    def put_pod(self, pod):
        namespace, _, name = ('/' in pod['name'] and pod['name'] or
                              pod['namespace'] + '/' + pod['name']).partition('/')
        labels = pod.get('labels', {})
        of_namespace = {key[len(NAMESPACE_LABEL):]: value for key, value in labels.items()
                        if key.startswith(NAMESPACE_LABEL)}
        ports = {(each['name'], each['protocol']): each['port'] for each in pod.get('ports', [])}
        for key, port in pod.get('named_ports', {}).items():
            ports[tuple(key.split('/'))] = port
        if of_namespace or namespace not in self.namespaces:
            self.namespaces[namespace] = of_namespace
        self.pods[namespace + '/' + name] = Pod(namespace, name, labels, pod.get('ip'), ports)

    def namespace_labels(self, name):
        return {**self.namespaces.get(name, {}), METADATA: name}

    def endpoint_labels(self, pod):
        labels = {NAMESPACE_LABEL + key: value
                  for key, value in self.namespace_labels(pod.namespace).items()}
        return {**pod.labels, **labels, NAMESPACE: pod.namespace, ACCOUNT: pod.account,
                CLUSTER: self.cluster}

    def act(self, action):
        op, namespace = action['op'], action.get('namespace')
        key = f"{namespace}/{action.get('name')}"
        if op in ('createPolicy', 'updatePolicy'):
            policy = action['policy']
            self.policies[policy['metadata'].get('namespace', ''), policy['metadata']['name']] = policy
        elif op == 'deletePolicy':
            self.policies.pop((namespace, action['name']))
        elif op == 'createPod':
            self.put_pod(action)
        elif op == 'deletePod':
            self.pods.pop(key)
        elif op == 'setPodLabels':
            self.pods[key].labels = dict(action['labels'])
        elif op == 'deleteNamespace':
            self.pods = {k: pod for k, pod in self.pods.items() if pod.namespace != namespace}
            self.policies = {k: p for k, p in self.policies.items() if k[0] != namespace}
            self.namespaces.pop(namespace)
        else:
            self.namespaces[namespace] = dict(action.get('labels', {}))


class Party:
    """A pod, one of the words of entities, or an address outside."""

    def __init__(self, world, text):
        self.pod = world.pods.get(text)
        self.word = text if text in INSIDE else None
        self.outside = not self.pod and not self.word
        self.ip = self.pod.ip if self.pod else text if self.outside and text != 'world' else None


def in_block(ip, cidr, excepts):
    if not ip:
        return False
    ip = ipaddress.ip_address(ip)
    inside = [block for block in [cidr, *excepts]
              if ip.version == ipaddress.ip_network(block).version and ip in ipaddress.ip_network(block)]
    return inside == [cidr]


def matches(selector, labels):
    def bare(key):
        return key.split(':', 1)[1] if key.startswith(('k8s:', 'any:')) else key

    for key, value in selector.get('matchLabels', {}).items():
        if labels.get(bare(key)) != value:
            return False
    for each in selector.get('matchExpressions', []):
        have = labels.get(bare(each['key']))
        if not {'In': have is not None and have in each.get('values', []),
                'NotIn': have not in each.get('values', []),
                'Exists': have is not None,
                'DoesNotExist': have is None}[each['operator']]:
            return False
    return True


# Ports

def port_matches(world, port, end, name_of, number):
    """name_of: the pod whose named ports count; None: any pod's."""
    if isinstance(port, str) and not port.isdigit():
        owners = [name_of] if name_of else world.pods.values()
        return any(number == value for owner in owners
                   for (name, protocol), value in owner.ports.items()
                   if name == port and protocol == world.protocol)
    return int(port) <= number <= int(end or port)


def destination(subject, peer, direction):
    return subject if direction == 'ingress' else peer.pod


# NetworkPolicy

def np_peer(world, policy, each, peer, never):
    if 'ipBlock' in each:
        if not peer.outside and never:
            return False
        return in_block(peer.ip, each['ipBlock']['cidr'], each['ipBlock'].get('except', []))
    if not peer.pod:
        return False
    if 'namespaceSelector' in each:
        if not matches(each['namespaceSelector'], world.namespace_labels(peer.pod.namespace)):
            return False
    elif peer.pod.namespace != policy['metadata']['namespace']:
        return False
    return matches(each.get('podSelector', {}), peer.pod.labels)


def np_port(world, each, named, number):
    if each.get('protocol', 'TCP') != world.protocol:
        return False
    return 'port' not in each or port_matches(world, each['port'], each.get('endPort'), named, number)


def np_judge(world, policy, subject, direction, peer, number, never):
    """(isolates, allows, denies)"""
    spec = policy['spec']
    types = spec.get('policyTypes') or ['Ingress'] + (['Egress'] if spec.get('egress') else [])
    if policy['metadata']['namespace'] != subject.namespace or direction.title() not in types or \
            not matches(spec['podSelector'], subject.labels):
        return False, False, False
    for rule in spec.get(direction) or []:
        peers, ports = rule.get(LISTS[direction][2]), rule.get('ports')
        named = destination(subject, peer, direction)
        if (not peers or any(np_peer(world, policy, each, peer, never) for each in peers)) and \
                (not ports or any(np_port(world, each, named, number) for each in ports)):
            return True, True, False
    return True, False, False


# CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy

def cnp_endpoint(world, policy, selector, peer):
    if not peer.pod:
        return False
    namespace = policy['metadata'].get('namespace')
    named = any(key.split(':')[-1] == NAMESPACE for key in
                [*selector.get('matchLabels', {}),
                 *(each['key'] for each in selector.get('matchExpressions', []))])
    if namespace and not named and peer.pod.namespace != namespace:
        return False
    return matches(selector, world.endpoint_labels(peer.pod))


def cnp_entity(entity, peer):
    if entity in ('all', 'none'):
        return entity == 'all'
    if entity == 'world':
        return peer.outside
    if entity == 'cluster':
        return not peer.outside
    if entity == 'remote-node' and peer.word == 'kube-apiserver':
        return True
    return peer.word == entity


def cnp_peer(world, policy, rule, way, peer):
    """None: the rule does not speak of peers."""
    kinds = {
        'Endpoints': lambda each: cnp_endpoint(world, policy, each, peer),
        'Entities': lambda each: cnp_entity(each, peer),
        'CIDR': lambda each: peer.outside and in_block(peer.ip, each, []),
        'CIDRSet': lambda each: peer.outside and in_block(peer.ip, each['cidr'], each.get('except', [])),
    }
    found = None
    for kind, judge in kinds.items():
        if way + kind in rule:
            found = found or any(judge(each) for each in rule[way + kind])
    for each in rule.get(way + 'Requires', []):
        found = bool(found) and cnp_endpoint(world, policy, each, peer)
    return found


def cnp_port(world, rule, named, number):
    """None: the rule does not speak of ports."""
    if 'icmps' in rule:
        for field in (field for each in rule['icmps'] for field in each['fields']):
            six = field.get('family', 'IPv4') == 'IPv6'
            names = ICMP6_NAMES if six else ICMP_NAMES
            if world.protocol == ('ICMPv6' if six else 'ICMP') and \
                    names.get(field['type'], field['type']) == number:
                return True
        return False
    if 'toPorts' not in rule:
        return None
    for each in (port for entry in rule['toPorts'] for port in entry['ports']):
        protocol = each.get('protocol', 'ANY')
        if world.protocol not in (PORTS if protocol == 'ANY' else (protocol,)):
            continue
        if each['port'] == '0' or port_matches(world, each['port'], each.get('endPort'), named, number):
            return True
    return False


def cnp_applies(world, policy, rule, subject, direction, peer, number):
    who = cnp_peer(world, policy, rule, LISTS[direction][2], peer)
    what = cnp_port(world, rule, destination(subject, peer, direction), number)
    if who is None and what is None:
        return False
    return who is not False and what is not False


def cnp_judge(world, policy, spec, subject, direction, peer, number):
    allow, deny, _ = LISTS[direction]
    namespace = policy['metadata'].get('namespace')
    if (namespace and subject.namespace != namespace) or \
            not matches(spec['endpointSelector'], world.endpoint_labels(subject)):
        return False, False, False
    isolates = bool(spec.get(allow) or spec.get(deny)) and \
        spec.get('enableDefaultDeny', {}).get(direction, True)
    found = [any(cnp_applies(world, policy, rule, subject, direction, peer, number)
                 for rule in spec.get(each) or []) for each in (allow, deny)]
    return isolates, *found


# Verdicts

def judge(world, direction, subject, peer, probe, never):
    world.protocol, number = probe.split('/')
    subject, peer, number = Party(world, subject).pod, Party(world, peer), int(number)
    if not subject:
        return '.'
    found = []
    for policy in world.policies.values():
        if policy['kind'] == 'NetworkPolicy':
            found.append(np_judge(world, policy, subject, direction, peer, number, never))
            continue
        for spec in policy.get('specs') or [policy['spec']]:
            found.append(cnp_judge(world, policy, spec, subject, direction, peer, number))
    isolated, allowed, denied = (any(each[i] for each in found) for i in range(3))
    local = direction == 'ingress' and peer.word == 'host'
    return '.' if not denied and (allowed or local or not isolated) else 'X'


def tables(world, order, probe, never):
    egress = [''.join(judge(world, 'egress', a, b, probe, never) for b in order) for a in order]
    ingress = [''.join(judge(world, 'ingress', b, a, probe, never) for b in order) for a in order]
    both = [''.join('.' if pair == ('.', '.') else 'X' for pair in zip(*rows))
            for rows in zip(egress, ingress)]
    return {'combined': both, 'egress': egress, 'ingress': ingress}


def expect(cluster, case):
    world = World(copy.deepcopy(cluster))
    for step in case.get('steps', []):
        for action in step['actions']:
            world.act(copy.deepcopy(action))
        every, never = ({probe: tables(world, step['order'], probe, spare)
                         for probe in step['expected']} for spare in (False, True))
        step['expected'] = every
        step.pop('expected_if_ipblock_never_matches_pods', None)
        if 'ipBlock' in json.dumps(list(world.policies.values())):
            step['expected_if_ipblock_never_matches_pods'] = never
    if 'steps' in case:
        return
    for policy in case['policies']:
        world.act({'op': 'createPolicy', 'policy': policy})
    for direction, probes in case['expected'].items():
        for probe, rows in probes.items():
            for subject in rows:
                rows[subject] = ''.join(judge(world, direction, subject, peer, probe, False)
                                        for peer in case['peers'])


def main(arguments):
    clusters, files, write = {}, [], False
    while arguments:
        word = arguments.pop(0)
        if word == '--cluster':
            path = arguments.pop(0)
            layout = path.rsplit('/', 1)[-1].removeprefix('cluster-').removesuffix('.json')
            clusters[layout] = json.load(open(path, encoding='utf-8'))
        elif word == '--write':
            write = True
        else:
            files.append(word)
    wrong = 0
    for path in files:
        lines = open(path, encoding='utf-8').read().splitlines()
        cases = [json.loads(line) for line in lines]
        for number, case in enumerate(cases):
            before = copy.deepcopy(case)
            expect(clusters[case['layout']] if 'layout' in case else next(iter(clusters.values())), case)
            if case != before and not write:
                print(f'{path}:{number + 1}: {case["id"]}: the tables are not those of expect.py')
                wrong += 1
        if write:
            with open(path, 'w', encoding='utf-8') as file:
                file.writelines(json.dumps(case, separators=(',', ':')) + '\n' for case in cases)
    return 1 if wrong else 0


sys.exit(main(sys.argv[1:]))
