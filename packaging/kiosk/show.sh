#!/bin/bash
# Shows the dock's page on the dock's screen, in a browser that can do nothing else; dockd-kiosk.service runs it as its own user.
set -euo pipefail

port=${PORT:-8480}
[[ $port =~ ^[0-9]{4,5}$ ]] || { echo "PORT in /etc/default/dockd-kiosk is not a port: $port" >&2; exit 2; }

# All that the browser ever writes lies here, and is gone when it stops.
export HOME=$RUNTIME_DIRECTORY XDG_RUNTIME_DIR=$RUNTIME_DIRECTORY XDG_CONFIG_HOME=$RUNTIME_DIRECTORY XDG_CACHE_HOME=$RUNTIME_DIRECTORY
chmod 700 "$RUNTIME_DIRECTORY"

# A page that could not be loaded at all has nothing on it that would try again; one that was loaded once reconnects by itself.
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    sleep 1
done

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
