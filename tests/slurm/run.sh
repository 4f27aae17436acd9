#!/bin/sh
# run.sh PYTHON [OPTION...]: install Slurm if it is not here, start two nodes, run the tests on them
# with these options of pytest, end them.
here=$(cd "$(dirname "$0")" && pwd)
command -v slurmctld > /dev/null || apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge || exit 1
place=$(mktemp -d)
trap '"$here/down.sh" "$place"; rm -rf "$place"' EXIT
"$here/up.sh" "$place" || exit 1
python=$1; shift
SLURM_CONF=$place/slurm.conf TUILAB_TEST_SLURM=$place "$python" -m pytest -p no:cacheprovider -n 0 "$@" tests/slurm
