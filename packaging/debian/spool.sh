# shellcheck shell=sh
# Where the recordings lie. After a purge's first half the site file is gone, so its place was noted when the package was removed.
site_file=/etc/dockd/site.yaml
noted=/var/lib/misc/dockd-spool

spool_directory() {
    directory=
    if [ -r "$site_file" ]; then
        directory=$(awk '
            /^[ \t]*#/ { next }
            /^[^ \t]/ { inside = /^spool:/ }
            inside && /directory:/ {
                sub(/.*directory:[ \t]*/, "")
                sub(/[ \t]+#.*$/, "")
                sub(/[,}].*$/, "")
                gsub(/["\047\r]/, "")
                sub(/[ \t]+$/, "")
                print
                exit
            }' "$site_file")
    elif [ -r "$noted" ]; then
        directory=$(cat "$noted")
    fi
    echo "${directory:-/var/lib/dockd/spool}"
}
