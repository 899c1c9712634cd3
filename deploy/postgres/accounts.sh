#!/bin/sh
# Gives each part of the deployment an account and databases of its own. Safe to repeat: a changed password is applied.
set -eu

export PGHOST="${PGHOST:-postgres}" PGUSER="${PGUSER:-postgres}" PGDATABASE=postgres
SECRETS="${SECRETS:-/run/secrets}"
PGPASSWORD="$(cat "$SECRETS/postgres_password")"
export PGPASSWORD
here="$(dirname -- "$0")"

account() { # name, its secret, its databases ...
    name="$1"
    PASSWORD_FILE="$SECRETS/$2"
    export PASSWORD_FILE
    shift 2
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set "account=$name" --file "$here/account.sql"
    for database in "$@"; do
        psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set "account=$name" --set "database=$database" \
            --file "$here/database.sql"
    done
    echo "account '$name' owns: $*"
}

account temporal temporal_password temporal temporal_visibility
account interlock store_password interlock
account interlock_demo demo_store_password interlock_demo
