#!/bin/sh
# node.sh DIR NAME: start one node; killing the process in run/unshare-NAME.pid ends all of it.
cd "$1"; SLURM_CONF=$1/slurm.conf; export SLURM_CONF
setsid unshare --uts --pid --mount --fork --mount-proc --kill-child \
    sh -c "hostname node$2; exec slurmd -D -N node$2" > log/out-$2 2>&1 < /dev/null &
echo $! > run/unshare-$2.pid
