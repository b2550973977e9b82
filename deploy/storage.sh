#!/bin/sh
# SeaweedFS as one process: master, volume, filer and S3 door, with one identity and one bucket.
set -eu
cat >/tmp/s3.json <<JSON
{"identities": [{"name": "sonoloop", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "$AWS_ACCESS_KEY_ID", "secretKey": "$AWS_SECRET_ACCESS_KEY"}]}]}
JSON
(
    until echo "s3.bucket.create -name sonoloop" | weed shell -master localhost:9333 >/dev/null 2>&1; do sleep 1; done
) &
exec weed server -dir=/data -ip=storage -ip.bind=0.0.0.0 -s3 -s3.config=/tmp/s3.json
