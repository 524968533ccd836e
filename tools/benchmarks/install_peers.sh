#!/bin/sh
# Installs the peers that are not Python's: Socket.IO into FOLDER/node_modules, and nchan where apt is at hand.
# Without one of them, `make bench` goes on and says so.
set -eu
folder=$1
npm install --silent --no-fund --no-audit --no-save --prefix "$folder" socket.io@4 ||
    echo "bench: Socket.IO could not be installed; it is left out" >&2
if ! [ -e /usr/lib/nginx/modules/ngx_nchan_module.so ]; then
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends libnginx-mod-nchan; } >/dev/null 2>&1 ||
        echo "bench: nchan could not be installed (apt-get install libnginx-mod-nchan); it is left out" >&2
fi
