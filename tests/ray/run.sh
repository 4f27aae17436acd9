#!/bin/sh
# run.sh PYTHON ENVIRONMENT: install Ray into an environment of its own, start a head, run the tests.
[ -x "$2/bin/ray" ] || { python3 -m venv "$2" && "$2/bin/pip" install --quiet "ray[default]"; } || exit 1
log=$(mktemp); address=http://127.0.0.1:8299
trap 'kill $head 2> /dev/null; wait $head; rm -f "$log"' EXIT
for round in 1 2 3; do  # on a busy machine its parts do not always find one another in time
    "$2/bin/ray" start --head --block --port=6399 --dashboard-host=127.0.0.1 --dashboard-port=8299 \
        --num-cpus=2 --num-gpus=0 --object-store-memory=100000000 --disable-usage-stats > "$log" 2>&1 &
    head=$!
    until grep -q "block forever" "$log" || ! kill -0 $head 2> /dev/null; do sleep 1; done
    sleep 5
    kill -0 $head 2> /dev/null && break
done
TUILAB_TEST_RAY=$address "$1" -m pytest -p no:cacheprovider -n 0 tests/ray || { cat "$log"; exit 1; }
