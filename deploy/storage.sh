#!/bin/sh
# SeaweedFS as one process: master, volume, filer and S3 door, with one identity and one bucket. Only the S3 door,
# which asks for keys, can be reached from outside.
set -eu
umask 077
cat >/tmp/s3.json <<JSON
{"identities": [{"name": "sonoloop", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "$AWS_ACCESS_KEY_ID", "secretKey": "$AWS_SECRET_ACCESS_KEY"}]}]}
JSON
(
    until echo "s3.bucket.create -name sonoloop" | weed shell -master 127.0.0.1:9333 >/dev/null 2>&1; do sleep 1; done
) &
exec weed server -dir=/data -ip=127.0.0.1 -ip.bind=127.0.0.1 -volume.max=0 -master.volumeSizeLimitMB=1024 \
    -s3 -s3.ip.bind=0.0.0.0 -s3.config=/tmp/s3.json
