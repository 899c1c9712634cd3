#!/bin/sh
# Starts the server with the database password from its secret; the server itself reads it from the environment only.
set -eu

POSTGRES_PWD="$(cat /run/secrets/temporal_password)"
export POSTGRES_PWD
exec /etc/temporal/entrypoint.sh
