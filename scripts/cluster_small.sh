#!/usr/bin/env bash
# The cluster in some minutes, for CI. As root it installs what is missing; what cannot be had skips it all.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "skipped: $1"
    exit 0
}

have() {
    command -v "$1" >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

missing() {
    if [ -z "${CLUSTER_POSTGRES:-}" ]; then have initdb && have postgres || echo postgresql; fi
    if [ -z "${CLUSTER_REDIS:-}" ]; then have redis-server || echo redis-server; fi
}

# Installing starts nothing, and makes no database cluster. What says so to Debian goes away again.
made=()
clean_up() { [ ${#made[@]} -eq 0 ] || rm -f "${made[@]}"; }
trap clean_up EXIT
install() {
    local policy=/usr/sbin/policy-rc.d settings=/etc/postgresql-common/createcluster.conf
    if [ ! -e "$policy" ]; then
        made+=("$policy")
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    fi
    if [ ! -e "$settings" ]; then
        made+=("$settings")
        mkdir -p "${settings%/*}" && echo 'create_main_cluster = false' >"$settings"
    fi
    export DEBIAN_FRONTEND=noninteractive
    local options=(-q -y -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Dpkg::Options::=--force-confold)
    timeout 180 apt-get "${options[@]}" update &&
        timeout 400 apt-get "${options[@]}" install --no-install-recommends "$@"
}

mapfile -t packages < <(missing)
if [ ${#packages[@]} -gt 0 ]; then
    [ "$(id -u)" = 0 ] || skip "${packages[*]} not here, and only root may install packages"
    command -v apt-get >/dev/null || skip "${packages[*]} not here, and no apt-get to install them with"
    log=$(mktemp)
    echo "Installing ${packages[*]} ..."
    if ! install "${packages[@]}" >"$log" 2>&1 || [ -n "$(missing)" ]; then
        tail -n 20 "$log"
        skip "${packages[*]} not here, and could not be installed: $(grep -m 1 '^E:' "$log" || echo 'see above')"
    fi
    rm -f "$log"
fi

clean_up
exec make --no-print-directory cluster CLUSTER="${CLUSTER:---launches 24 --kills 11 --kill-every 8 --processing 15 --seconds 900}"
