#!/bin/sh
# up.sh DIR: start a controller and two nodes in DIR; each node is a machine of its own: other
# hostname, other process table. Needs root and the packages slurmctld, slurmd, slurm-client, munge.
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"; cd "$1"; top=$(pwd)
mkdir -p state run log spool-nodeA spool-nodeB dev
for n in 0 1; do [ -e dev/nvidia$n ] || mknod dev/nvidia$n c 195 $n; done
for f in slurm.conf gres.conf; do sed "s#@HERE@#$top#g; s#@HOSTNAME@#$(hostname)#g" "$here/$f" > $f; done
mkdir -p /run/munge && chown munge /run/munge /var/lib/munge /var/log/munge /etc/munge /etc/munge/munge.key
munge -n > /dev/null 2>&1 || { rm -f /run/munge/*; su -s /bin/sh munge -c /usr/sbin/munged; }
SLURM_CONF=$top/slurm.conf; export SLURM_CONF
slurmctld
for n in A B; do "$here/node.sh" "$top" $n; done
