#!/bin/sh
# down.sh DIR: end the nodes and the controller of DIR.
cd "$1" || exit 0
for f in run/unshare-*.pid run/ctld.pid; do [ -f $f ] && kill -9 "$(cat $f)" 2>/dev/null; done
exit 0
