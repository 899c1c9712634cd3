#!/bin/sh
# Creates the namespaces named as arguments, with the search attributes that every run carries. Safe to repeat.
# The server's address comes from TEMPORAL_ADDRESS.
set -eu

RETENTION="${TEMPORAL_RETENTION:-30d}"
ATTRIBUTES="InterlockAutomation InterlockState InterlockRequester"
PATIENCE=60 # attempts, a second apart

until_it_works() { # what is waited for, command ...
    what="$1"
    shift
    attempt=0
    until "$@" > /dev/null 2>&1; do
        attempt=$((attempt + 1))
        if [ "$attempt" -ge "$PATIENCE" ]; then
            echo "waited $PATIENCE attempts for $what; the last one said:" >&2
            "$@"
            return
        fi
        sleep 1
    done
}

create_namespace() {
    if ! temporal operator namespace describe --namespace "$1" > /dev/null 2>&1; then
        temporal operator namespace create --namespace "$1" --retention "$RETENTION"
    fi
    until_it_works "namespace '$1'" temporal operator search-attribute list --namespace "$1"
}

knows() { # namespace, search attribute
    temporal operator search-attribute list --namespace "$1" | grep -qw "$2"
}

create_search_attribute() { # namespace, search attribute
    knows "$1" "$2" || temporal operator search-attribute create --namespace "$1" --name "$2" --type Keyword
    until_it_works "search attribute '$2' of namespace '$1'" knows "$1" "$2"
}

until_it_works "the server at '$TEMPORAL_ADDRESS'" temporal operator cluster health
for namespace in "$@"; do
    create_namespace "$namespace"
    for attribute in $ATTRIBUTES; do
        create_search_attribute "$namespace" "$attribute"
    done
    echo "namespace '$namespace' is ready: $ATTRIBUTES"
done
