#!/usr/bin/env bash
# Two hosts of one machine: network namespaces with an interface each, with mounts, hostnames and /tmp of their own.
# Root only:  unshare -m two_hosts.sh NAME 'COMMAND on the first' 'COMMAND on the second'
# $OWN_TMP are the commands that give a host an empty /tmp.
# The namespaces are called NAMEa and NAMEb; in the file $CUT, once it is there, is a wish to cut the line.
set -eu
mount --make-rprivate /
mkdir -p /run/netns
mount -t tmpfs none /run/netns
for n in a b; do ip netns add "$1$n"; done
ip link add "$1va" netns "$1a" type veth peer name "$1vb" netns "$1b"
for n in a b; do
    ip -n "$1$n" link set lo up
    ip -n "$1$n" link set "$1v$n" up
done
ip -n "$1a" addr add 10.9.0.1/24 dev "$1va"
ip -n "$1b" addr add 10.9.0.2/24 dev "$1vb"
run() {
    ip netns exec "$1$2" unshare -m -u bash -c \
        "hostname host-$2; $OWN_TMP; export GLOO_SOCKET_IFNAME=$1v$2; $3"
}
run "$1" a "$2" & a=$!
run "$1" b "$3" & b=$!
(
    while [ ! -e "$CUT" ]; do sleep 0.2; done
    ip -n "$1a" link set "$1va" down
) & watcher=$!
first=0; second=0
wait $a || first=$?
wait $b || second=$?
kill $watcher 2>/dev/null || true
echo "statuses $first $second"
