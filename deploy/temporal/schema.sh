#!/bin/sh
# Brings Temporal's two databases to the schema of this image's version. Safe to repeat; run before a newer server starts.
set -eu

export SQL_PLUGIN=postgres12 SQL_HOST=postgres SQL_PORT=5432 SQL_USER=temporal
SQL_PASSWORD="$(cat /run/secrets/temporal_password)"
export SQL_PASSWORD

bring_up_to_date() { # database, its folder of schema versions
    temporal-sql-tool --database "$1" setup-schema --version 0.0
    temporal-sql-tool --database "$1" update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$2/versioned"
}

bring_up_to_date temporal temporal
bring_up_to_date temporal_visibility visibility
