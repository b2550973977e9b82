#!/bin/sh
# Caddy, which takes the hash of a password; the password itself never stands on a command line.
set -eu
MONITORING_HASH=$(printf '%s\n' "$MONITORING_PASSWORD" | caddy hash-password)
export MONITORING_HASH
exec caddy run --config "${CADDYFILE:-/etc/caddy/Caddyfile}" --adapter caddyfile
