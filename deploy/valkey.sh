#!/bin/sh
# Valkey with its password, which would stand in the list of processes as an argument; its data lie where it starts.
set -eu
umask 077
conf=${TMPDIR:-/tmp}/valkey.conf
cat >"$conf" <<CONF
requirepass $VALKEY_PASSWORD
appendonly yes
save ""
maxmemory 256mb
maxmemory-policy noeviction
CONF
exec valkey-server "$conf" "$@"
