#!/bin/sh
# Valkey with its password, which would stand in the list of processes as an argument.
set -eu
umask 077
conf=${TMPDIR:-/tmp}/valkey.conf
cat >"$conf" <<CONF
requirepass $VALKEY_PASSWORD
appendonly yes
save ""
dir /data
maxmemory 256mb
maxmemory-policy noeviction
CONF
exec valkey-server "$conf" "$@"
