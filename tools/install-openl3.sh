#!/usr/bin/env bash
# Install openl3 0.4.2 into .venv: with its weights where GitHub can be reached, otherwise without them.
#
# Its setup.py downloads twelve weight files while it builds. Where that cannot be, the build gets empty ones, and a
# study names its weights itself: --openl3-weights. WEIGHTS=no asks for that, and saves 200 MB.
set -euo pipefail
cd "$(dirname "$0")/.."

python=.venv/bin/python
weights=https://github.com/marl/openl3/raw/models/openl3_audio_mel256_env-v0_4_0.h5.gz
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# pip's cache is left out: it would serve a build without weights to somebody who wants them.
install_openl3() {
    printf '%s\n' 'openl3==0.4.2 --hash=sha256:bd590f6c311de5196b615b65a3f49ea1327be72ed6e9e3cddb5631e391c1ee8a' \
        > "$scratch/openl3.txt"
    "$python" -m pip install --quiet --no-cache-dir --no-build-isolation --no-deps --force-reinstall \
        -r "$scratch/openl3.txt"
}

has_weights_at_hand() {
    [[ ${WEIGHTS:-} != no ]] || return 1
    "$python" - "$weights" << 'EOF' 2> /dev/null
import sys
import urllib.request

urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="HEAD"), timeout=10)
EOF
}

without_weights() {
    cat > "$scratch/sitecustomize.py" << 'EOF'
"""Gives openl3's setup.py empty weight files instead of letting it download them."""

import gzip
import urllib.request


def _empty(url, filename, *rest):
    with gzip.open(filename, "wb"):
        return filename, None


urllib.request.urlretrieve = _empty
EOF
    PYTHONPATH=$scratch install_openl3
    echo "openl3: installed without weights; give them with --openl3-weights, from $weights"
}

"$python" -m pip install --quiet --no-build-isolation --require-hashes -r openl3-py311.lock
if has_weights_at_hand && install_openl3; then
    echo "openl3: installed with its weights"
else
    without_weights
fi
