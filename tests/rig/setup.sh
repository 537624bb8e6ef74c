#!/bin/bash
# Installs the programs of apt-packages.txt that this machine lacks, or says which they are. Called by make rig.
set -euo pipefail
cd -P "$(dirname "$0")"
export PATH=$PATH:/usr/sbin:/sbin DEBIAN_FRONTEND=noninteractive

look_for_needs() {
    local program package reason
    packages=() words=()
    while read -r program package reason; do
        case "$program" in '' | '#'*) continue ;; esac
        if ! command -v "$program" >/dev/null; then
            packages+=("$package")
            words+=("  $package: $program, $reason")
        fi
    done <apt-packages.txt
}

look_for_needs
[ ${#packages[@]} -eq 0 ] && exit
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    printf 'rig: %s\n' "these are missing, and installing them takes Debian and root:" "${words[@]}" >&2
    exit 1
fi
apt=(apt-get -o Acquire::Retries=5 -o DPkg::Lock::Timeout=600)
"${apt[@]}" -q update || echo "rig: apt-get update did not reach every source; trying with what there is"
"${apt[@]}" -q install -y --no-install-recommends "${packages[@]}"
hash -r
look_for_needs
if [ ${#packages[@]} -gt 0 ]; then
    printf 'rig: %s\n' "installed, and still not found:" "${words[@]}" >&2
    exit 1
fi
