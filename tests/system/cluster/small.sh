#!/usr/bin/env bash
# A run of the cluster of a few minutes, for CI. As root it installs missing packages; without them it skips.
set -euo pipefail
cd "$(dirname "$0")/../../.."

skip() {
    echo "skipped: $1"
    exit 0
}

is_installed() {
    command -v "$1" >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

missing() {
    if [ -z "${CLUSTER_POSTGRES:-}" ]; then is_installed initdb && is_installed postgres || echo postgresql; fi
    if [ -z "${CLUSTER_REDIS:-}" ]; then is_installed redis-server || echo redis-server; fi
}

# These temporary files keep Debian from starting servers and creating a database cluster.
created=()
clean_up() { [ ${#created[@]} -eq 0 ] || rm -f "${created[@]}"; }
trap clean_up EXIT
install() {
    local policy=/usr/sbin/policy-rc.d settings=/etc/postgresql-common/createcluster.conf
    if [ ! -e "$policy" ]; then
        created+=("$policy")
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    fi
    if [ ! -e "$settings" ]; then
        created+=("$settings")
        mkdir -p "${settings%/*}" && echo 'create_main_cluster = false' >"$settings"
    fi
    export DEBIAN_FRONTEND=noninteractive
    local options=(-q -y -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Dpkg::Options::=--force-confold)
    timeout 180 apt-get "${options[@]}" update &&
        timeout 400 apt-get "${options[@]}" install --no-install-recommends "$@"
}

mapfile -t packages < <(missing)
if [ ${#packages[@]} -gt 0 ]; then
    [ "$(id -u)" = 0 ] || skip "${packages[*]} not installed, and only root may install packages"
    command -v apt-get >/dev/null || skip "${packages[*]} not installed, and there is no apt-get"
    log=$(mktemp)
    echo "Installing ${packages[*]} ..."
    if ! install "${packages[@]}" >"$log" 2>&1 || [ -n "$(missing)" ]; then
        tail -n 20 "$log"
        skip "${packages[*]} cannot be installed: $(grep -m 1 '^E:' "$log" || echo 'see above')"
    fi
    rm -f "$log"
fi

clean_up
exec make --no-print-directory cluster CLUSTER="${CLUSTER:---launches 24 --kills 11 --kill-every 8 --processing 15 --seconds 900}"
