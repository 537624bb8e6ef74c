#!/bin/bash
# Installs what this machine lacks: operating-system packages when it may, and .venv from the hash-locked file. Make calls it
# before every target that needs them; when nothing is lacking it reads one stamp, runs the probes and touches no network.
#
# usage: packaging/setup/install.sh run|test|deb
#
# deb makes no .venv: packages are built with the Python of the release that they are for.
#
# PYTHON=/path/to/python3 chooses the interpreter that .venv is made from.
set -euo pipefail
cd -P "$(dirname "$0")/../.."

readonly LOCK=packaging/requirements/dev.txt
readonly NEEDS=packaging/setup/apt-packages.txt
readonly STAMP=.venv/installed
readonly PEERS=build/peers PEERS_LOCK=packaging/requirements/servers.txt NPM=packaging/peers

# Settings of the caller's shell that would make Python or pip look elsewhere than in .venv.
unset PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
# Programs that make file systems are not on everybody's PATH.
export PATH=$PATH:/usr/sbin:/sbin
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 DEBIAN_FRONTEND=noninteractive

say() { printf 'setup: %s\n' "$*"; }
stop() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

case "${1:-}" in
run) sets=" run " ;;
test) sets=" run test " ;;
deb) sets=" deb " ;;
*) stop "usage: $0 run|test|deb" ;;
esac

find_python() {
    local candidate path
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        path=$(command -v "$candidate") || continue
        if "$path" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$path"
            return
        fi
    done
    return 1
}

present() {
    local python
    case "$1" in
    command:*) command -v "${1#command:}" >/dev/null ;;
    # Not grep -q: ending before ldconfig has written everything would make the pipe fail.
    library:*) ldconfig -p | grep "lib${1#library:}\.so\." >/dev/null ;;
    venv)
        [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null && return
        python=$(find_python) && "$python" -c 'import ensurepip, venv' 2>/dev/null
        ;;
    *) stop "$NEEDS: unknown probe $1" ;;
    esac
}

# Sets the arrays `missing_packages` (still with their | between names) and `missing_words` from the lines of $NEEDS.
look_for_needs() {
    local set probe packages reason
    missing_packages=() missing_words=()
    while read -r set probe packages reason; do
        case "$set" in '' | '#'*) continue ;; esac
        case "$sets" in *" $set "*) ;; *) continue ;; esac
        if ! present "$probe"; then
            missing_packages+=("$packages")
            missing_words+=("  ${packages%%|*}: $reason")
        fi
    done <"$NEEDS"
}

# Of the names in `a|b`, the one that this release offers.
name_here() {
    local name
    for name in ${1//|/ }; do
        if [ -n "$(apt-cache policy "$name" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)"')" ]; then
            printf '%s\n' "$name"
            return
        fi
    done
    printf '%s\n' "${1%%|*}"
}

install_packages() {
    local packages names=() apt=(apt-get -o Acquire::Retries=5 -o DPkg::Lock::Timeout=600)
    if ! command -v apt-get >/dev/null; then
        stop "these are missing, and this is no Debian where they could be installed:" "${missing_words[@]}"
    fi
    if [ "$(id -u)" -ne 0 ]; then
        for packages in "${missing_packages[@]}"; do names+=("$(name_here "$packages")"); done
        stop "these are missing, and installing them takes root:" "${missing_words[@]}" \
            "run this once, then the same make command again:" \
            "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${names[*]}"
    fi
    "${apt[@]}" -q update || say "apt-get update did not reach every source; trying with what there is"
    for packages in "${missing_packages[@]}"; do names+=("$(name_here "$packages")"); done
    say "installing ${names[*]}"
    "${apt[@]}" -q install -y --no-install-recommends "${names[@]}"
    hash -r
    look_for_needs
    if [ ${#missing_packages[@]} -gt 0 ]; then
        stop "installed, and still not found:" "${missing_words[@]}"
    fi
}

# What .venv was made from: where it lies, its interpreter, the locked packages and our own metadata.
fingerprint() {
    pwd
    .venv/bin/python -VV
    cat "$LOCK" pyproject.toml | sha256sum
}

install_venv() {
    local python
    # A folder that was moved or copied has a .venv whose scripts belong to another; an upgraded system has one without a Python.
    if [ -e .venv ] && ! .venv/bin/pip --version 2>/dev/null | grep -F " from $PWD/.venv/" >/dev/null; then
        say "making .venv anew: the old one does not run here"
        rm -rf .venv
    fi
    if [ ! -e .venv ]; then
        python=$(find_python) || stop "no Python 3.11 or newer is to be found; name one with PYTHON=/path/to/python3"
        say "making .venv with $("$python" -V)"
        "$python" -m venv .venv
    fi
    rm -f "$STAMP"
    say "installing the packages of $LOCK"
    .venv/bin/python -m pip install --quiet --retries 10 --require-hashes --no-deps -r "$LOCK"
    # Build tools come from the lock as well: nothing is downloaded that has no hash.
    .venv/bin/python -m pip install --quiet --no-index --no-build-isolation --no-deps --editable .
    fingerprint >"$STAMP"
    say "ready"
}

# Servers and clients that others wrote: Python's in an environment of their own, npm's beside them.
install_peers() {
    local stamp
    stamp=$(cat "$STAMP" "$PEERS_LOCK" "$NPM/package-lock.json" | sha256sum)
    if [ -e "$PEERS/installed" ] && [ "$stamp" = "$(cat "$PEERS/installed")" ]; then
        return
    fi
    say "installing the servers of $PEERS_LOCK and $NPM"
    rm -rf "$PEERS"
    .venv/bin/python -m venv "$PEERS"
    "$PEERS/bin/python" -m pip install --quiet --retries 10 --require-hashes --no-deps -r "$PEERS_LOCK"
    cp "$NPM/package.json" "$NPM/package-lock.json" "$PEERS/"
    npm ci --prefix "$PEERS" --ignore-scripts --no-audit --no-fund --silent
    printf '%s\n' "$stamp" >"$PEERS/installed"
}

# Two makes at once wait for each other.
mkdir -p build
exec 9>build/setup.lock
if command -v flock >/dev/null; then flock 9; fi

look_for_needs
if [ ${#missing_packages[@]} -gt 0 ]; then
    install_packages
fi
if [ "$1" != deb ] && { [ ! -e "$STAMP" ] || [ "$(fingerprint 2>/dev/null)" != "$(cat "$STAMP")" ]; }; then
    install_venv
fi
if [ "$1" = test ]; then
    install_peers
fi
