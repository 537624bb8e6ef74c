#!/bin/bash
# Shows the dock's page on the dock's screen, in a browser that can do nothing else; dockd-kiosk.service runs it as its own user.
set -euo pipefail

port=${PORT:-8480}
[[ $port =~ ^[0-9]{4,5}$ ]] || { echo "PORT in /etc/default/dockd-kiosk is not a port: $port" >&2; exit 2; }

# All that the browser ever writes lies here, and is gone when it stops; what stays is how patient to be with it (below).
export HOME=$RUNTIME_DIRECTORY XDG_RUNTIME_DIR=$RUNTIME_DIRECTORY XDG_CONFIG_HOME=$RUNTIME_DIRECTORY XDG_CACHE_HOME=$RUNTIME_DIRECTORY
chmod 700 "$RUNTIME_DIRECTORY"
find "$RUNTIME_DIRECTORY" -mindepth 1 ! -name looks -delete

# A page that could not be loaded at all has nothing on it that would try again; one that was loaded once reconnects by itself.
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    sleep 1
done

# A page that was lost on its way to the screen stays white, with nothing on it that would try again. One that is there holds the
# connection over which it hears from the dock: where the dock answers and nobody holds one for three minutes, the browser begins anew.
# It has twice as long the next time, until a page was there: a machine may be so slow.
look_s=${LOOK_S:-15}
read -r looks 2>/dev/null <"$RUNTIME_DIRECTORY/looks" || looks=12
printf -v held '^ *[0-9]+: [0-9A-F:]+ 0100007F:%04X 01 [0-9A-F:]+ [0-9A-F:]+ [0-9A-F]+ +%d ' "$port" "$EUID"
watch_the_page() {
    local screen=$1 without=0
    while sleep "$look_s" && kill -0 "$screen" 2>/dev/null; do
        if grep -Eq "$held" /proc/net/tcp; then
            without=0
            rm -f "$RUNTIME_DIRECTORY/looks"
        elif ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            without=0
        elif ((++without == looks)); then
            echo $((looks * 2)) >"$RUNTIME_DIRECTORY/looks"
            echo "the page is not on the screen though the dock answers: the browser begins anew" >&2
            kill "$screen"
            return
        fi
    done
}
watch_the_page $$ &

# Without -s nobody leaves the page for a console. Code that is not compiled at run time cannot be written over: --jitless.
exec cage -d -- chromium \
    --kiosk "http://127.0.0.1:$port/" \
    --ozone-platform=wayland \
    --user-data-dir="$RUNTIME_DIRECTORY/browser" \
    --password-store=basic \
    --no-first-run \
    --no-default-browser-check \
    --noerrdialogs \
    --disable-background-networking \
    --disable-breakpad \
    --disable-component-update \
    --disable-pinch \
    --disable-session-crashed-bubble \
    --disable-sync \
    --disk-cache-size=1048576 \
    --js-flags=--jitless \
    --overscroll-history-navigation=0
