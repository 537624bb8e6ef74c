#!/bin/bash
# Runs inside a clean root of Debian, as check.sh prepared it: /dockd.deb is the package, /later.deb a later version of it.
set -euo pipefail

readonly SITE=/etc/dockd/site.yaml SPOOL=/srv/footage/spool

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}
step() { printf '  %s\n' "$*"; }

# expect WORDS COMMAND...: the command's output, on either stream, holds the words; its status does not matter.
expect() {
    local words=$1 output
    shift
    output=$("$@" 2>&1) || true
    case "$output" in
    *"$words"*) ;;
    *) fail "$*: said"$'\n'"$output"$'\n'"but not: $words" ;;
    esac
}

quietly() {
    if ! "$@" >/tmp/output 2>&1; then
        cat /tmp/output >&2
        fail "$*"
    fi
}

# as USER COMMAND...
as() {
    local user=$1
    shift
    setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups "$@"
}

step "installation, with what Depends names and nothing else"
quietly apt-get -q update
quietly apt-get -q install -y --no-install-recommends /dockd.deb
grep -F "describe this dock in $SITE" /tmp/output >/dev/null || fail "installing says nothing about the site file"
for account in dockd dockd-vault; do
    [ "$(stat -c '%U:%G %a' "/var/lib/$account")" = "$account:$account 700" ] || fail "/var/lib/$account is not $account's alone"
done
getent group dockd-admin >/dev/null || fail "no group dockd-admin"
[ -L /etc/systemd/system/multi-user.target.wants/dockd.service ] || fail "dockd does not start at boot"
[ ! -e /etc/systemd/system/multi-user.target.wants/dockd-vault.service ] || fail "the vault starts at boot unasked"

step "the program, its example, its manual and its completion"
version=$(dpkg-query -W -f '${Version}' dockd)
[ "dockd ${version%+deb*}" = "$(dockd version)" ] || fail "dockd version: $(dockd version)"
quietly dockd config check --config $SITE
expect "still the example" /usr/lib/dockd/bin/site-file-is-ours $SITE
/usr/lib/dockd/bin/site-file-is-ours $SITE 2>/dev/null && fail "dockd would start with the example"
gzip -t /usr/share/man/man1/dockd.1.gz /usr/share/man/man5/dockd-site.yaml.5.gz
expect dockd bash -c '. /usr/share/bash-completion/completions/dockd; complete -p dockd'
expect plain,status bash -c 'COMP_WORDS="dockd sta" COMP_CWORD=1 _DOCKD_COMPLETE=bash_complete dockd'

step "the units: verified, and how exposed systemd finds them (at most 2.0)"
for unit in dockd dockd-vault; do
    quietly systemd-analyze --man=no verify "/usr/lib/systemd/system/$unit.service"
    [ ! -s /tmp/output ] || fail "systemd-analyze verify: $(cat /tmp/output)"
    quietly systemd-analyze security --no-pager --offline=true --threshold=20 "/usr/lib/systemd/system/$unit.service"
    printf '    %s\n' "$(grep -o 'Overall exposure.*' /tmp/output | sed 's/ [^ ]*$//')"
done

quietly systemd-analyze --man=no verify /usr/lib/systemd/system/dockd-helper.service /usr/lib/systemd/system/dockd-helper.socket
[ ! -s /tmp/output ] || fail "systemd-analyze verify: $(cat /tmp/output)"
[ -s /usr/lib/udev/rules.d/70-dockd.rules ] || fail "no rules for udev"

step "nothing of the build, no pip"
! grep -rl /build/dockd /usr/lib/dockd >/tmp/output || fail "the path where it was built is in: $(cat /tmp/output)"
[ -z "$(find /usr/lib/dockd/lib/python3.* -maxdepth 2 -name 'pip*' -o -name direct_url.json)" ] || fail "pip is in the package"

step "dockd demo, as an ordinary user"
quietly apt-get -q install -y --no-install-recommends ffmpeg b3sum
echo 'u officer - - /home/officer' | systemd-sysusers - 2>/dev/null
install -d -o officer /home/officer
quietly as officer env -C /home/officer HOME=/home/officer dockd demo
tail -n 1 /tmp/output | sed 's/^/    /'
grep -E '^demo: ([0-9]+) recordings, \1 verified, \1 archived, \1 erased, 0 lost$' /tmp/output >/dev/null || fail "$(cat /tmp/output)"

step "footage in a spool elsewhere, and a power cut"
mkdir -p /srv/footage /srv/bay/DCIM/100CAM
install -d -o dockd -g dockd -m 700 $SPOOL
for number in 1 2 3; do head -c 300000 /dev/urandom >"/srv/bay/DCIM/100CAM/CLIP000$number.MP4"; done
sed -e "s|^  directory: /var/lib/dockd/spool.*|  directory: $SPOOL  # a disk of its own|" -e 's|/srv/dockd/bays/1|/srv/bay|' \
    -e 's|url: .*|url: http://127.0.0.1:9/files/|' -e '/^  \(token_file\|ca_file\|client_cert\|client_key\|id\): /d' \
    /usr/share/dockd/site.example.yaml >$SITE
quietly dockd config check
quietly python3 -I /usr/share/dockd/dockd-verify.py --help
quietly /usr/lib/dockd/bin/site-file-is-ours $SITE
install -d -o dockd -g dockd /run/dockd
expect "nobody has accepted this site file yet" as dockd dockd run
quietly dockd config accept --yes --unencrypted-spool
setpriv --reuid dockd --regid dockd --init-groups dockd run 2>/tmp/log &
finished() { find $SPOOL/recordings -regextype posix-extended -regex '.*/[0-9a-f]{32}' 2>/dev/null | wc -l; }
for _ in $(seq 300); do
    if dockd status --json 2>/dev/null | grep '"files_copied": 3' >/dev/null; then break; fi
    sleep 0.2
done
[ "$(finished)" -eq 3 ] || fail "the dock did not copy: $(cat /tmp/log)"
kill -KILL $!
wait $! 2>/dev/null || true
footage() { (cd $SPOOL/recordings && find . -type f -exec sha256sum {} + | sort); }
before=$(footage)

step "an upgrade; the later version brings the journal to its own form, and the power is cut again"
quietly apt-get -q install -y /later.deb
[ "$(dpkg-query -W -f '${Version}' dockd)" = "$version+later" ] || fail "not upgraded"
cmp -s $SITE /usr/share/dockd/site.example.yaml && fail "the upgrade replaced the site file"
as dockd /usr/lib/dockd/bin/python -I - <<END || true
import os, signal, sqlite3
journal = sqlite3.connect("$SPOOL/journal.sqlite", isolation_level=None)
version = journal.execute("PRAGMA user_version").fetchone()[0]
journal.execute("PRAGMA wal_checkpoint(TRUNCATE)")
journal.execute("PRAGMA wal_autocheckpoint = 0")
journal.execute(f"PRAGMA user_version = {version + 1}")
os.kill(os.getpid(), signal.SIGKILL)
END
[ -s $SPOOL/journal.sqlite-wal ] || fail "nothing is left beside the journal, so this shows nothing"

step "a downgrade is refused, with reasons, and changes nothing"
expect "older than the journal" dpkg -i /dockd.deb
[ "$(dpkg-query -W -f '${Version} ${db:Status-Abbrev}' dockd)" = "$version+later ii " ] || fail "$(dpkg-query -W dockd)"
quietly dpkg --verify dockd
as dockd /usr/lib/dockd/bin/python -I -c "import sqlite3; sqlite3.connect('$SPOOL/journal.sqlite').close()"
expect "older than the journal" dpkg -i /dockd.deb
expect "later" dpkg-query -W dockd

step "removal says what stays"
dpkg --remove dockd >/tmp/output 2>&1 || fail "$(cat /tmp/output)"
grep -F "$SPOOL holds 3 recordings" /tmp/output >/dev/null || fail "$(cat /tmp/output)"
[ ! -e /usr/lib/dockd ] || fail "left behind: $(find /usr/lib/dockd | head)"
expect "older than the journal" dpkg -i /dockd.deb
[ -e $SITE ] || fail "removing took the site file"

step "purge says where the footage is, and deletes none"
dpkg --purge dockd >/tmp/output 2>&1 || fail "$(cat /tmp/output)"
sed 's/^/    /' /tmp/output
grep -F "$SPOOL holds 3 recordings" /tmp/output >/dev/null || fail "$(cat /tmp/output)"
[ ! -e $SITE ] || fail "purging left the site file"
[ ! -e ${SITE%.yaml}.accepted.json ] || fail "purging left what was accepted of the site file"
[ ! -e /var/lib/misc/dockd-spool ] || fail "purging left its note"
[ "$(footage)" = "$before" ] || fail "purging touched the recordings"
[ -e $SPOOL/journal.sqlite ] || fail "purging touched the journal"
id dockd >/dev/null || fail "the footage's owner is gone"
