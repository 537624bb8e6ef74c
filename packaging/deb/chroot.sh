#!/bin/bash
# Roots of Debian releases for building and testing the package, made once and kept packed below build/deb.
# Read by build.sh and check.sh.

# The releases that dockd supports, and their names.
declare -rA SUITES=([12]=bookworm [13]=trixie)
readonly KEPT=build/deb/roots

say() { printf 'deb: %s\n' "$*"; }
stop() {
    printf 'deb: %s\n' "$@" >&2
    exit 1
}

# packed SUITE PURPOSE PACKAGES: sets $packed to a tar file with that release and those packages.
packed() {
    local suite=$1 purpose=$2 packages=$3 name
    name=${SUITES[$suite]:-}
    [ -n "$name" ] || stop "no release $suite is known here; there are ${!SUITES[*]}"
    packed=$KEPT/$suite-$purpose-$(printf '%s' "$packages" | sha256sum | cut -c1-8).tar
    [ -e "$packed" ] && return
    say "making a root of Debian $suite to $purpose in (kept for the next time)"
    mkdir -p "$KEPT"
    rm -f "$KEPT/$suite-$purpose-"*
    # Without documentation, but with the copyright files that lintian and the law want.
    mmdebstrap --quiet --variant=apt ${packages:+--include="$packages"} \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$name" "$packed.new.tar" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
    mv "$packed.new.tar" "$packed"
}

# unpacked TAR: sets $root to a new folder that holds it, which goes when the script ends.
unpacked() {
    root=$(mktemp -d "$PWD/build/deb/root.XXXXXX")
    trap 'rm -rf --one-file-system "$root"' EXIT
    chmod 755 "$root"
    tar -C "$root" -xf "$1"
    # What reaches the network from here reaches it from there.
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    if [ -s /etc/ssl/certs/ca-certificates.crt ] && [ -d "$root/etc/ssl/certs" ]; then
        cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    fi
    # No service starts in a root that no service manager looks after.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
}

# inside [--offline] COMMAND...: runs it in $root, with mounts that end with it. DOCKD_ARCHIVES is where apt keeps what it fetched.
inside() {
    local spaces=(--mount --pid --fork --kill-child)
    if [ "$1" = --offline ]; then
        spaces+=(--net)
        shift
    fi
    # shellcheck disable=SC2016 # expanded in there
    unshare "${spaces[@]}" --propagation private /bin/bash -euc '
        mount -t proc proc "$0/proc"
        mount --rbind /dev "$0/dev"
        mount -t tmpfs tmpfs "$0/run"
        [ -z "${DOCKD_ARCHIVES:-}" ] || mount --bind "$DOCKD_ARCHIVES" "$0/var/cache/apt/archives"
        exec chroot "$0" /usr/bin/env -u TMPDIR -u PIP_FIND_LINKS -u PIP_TARGET \
            PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"' "$root" "$@"
}
