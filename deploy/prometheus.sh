#!/bin/sh
# Prometheus, which reads passwords from files only, and listens below the proxy's /prometheus.
set -eu
umask 077
cp /deploy/prometheus.yml /deploy/alerts.yml /etc/prometheus/
printf %s "$SONOLOOP_BACKEND_PASSWORD" >/etc/prometheus/backend_password
exec prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/prometheus \
    --storage.tsdb.retention.time=90d --web.route-prefix=/prometheus --web.external-url="$MONITORING_ADDRESS/prometheus"
