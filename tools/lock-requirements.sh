#!/usr/bin/env bash
# Write the lock files at the top level: what pip installs, to the byte, for trainer, development and node.
#
# Versions that a lock already holds stay, unless UPGRADE=1. UV names a uv to use; otherwise one is installed into a
# throw-away environment. Our own three distributions are not in the locks: they are installed with --no-deps.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [[ -z ${UV:-} ]]; then
    "${PYTHON:-python3.11}" -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install -qq uv
    UV=$scratch/venv/bin/uv
fi

# lock FILE PYTHON PLATFORM [uv option]... < requirements
lock() {
    local file=$1 python=$2 platform=$3 options=(--quiet)
    shift 3
    [[ -z ${UPGRADE:-} ]] || options+=(--upgrade)
    [[ ! -e $file ]] || cp "$file" "$scratch/$file"
    "$UV" pip compile - -o "$scratch/$file" --generate-hashes --no-header --no-annotate \
        --no-emit-package sonyc-device --no-emit-package sonyc-trainer --no-emit-package sonyc-tools \
        --python-version "$python" --python-platform "$platform" "${options[@]}" "$@"
    # uv's answer must not depend on the machine that asked: no index, no folder, no own distribution.
    if grep -nE '^(-|\.|/)|://' "$scratch/$file"; then
        echo "lock: $file would hold the lines above; nothing was written" >&2
        exit 1
    fi
    { echo '# Made by `make lock`; do not edit.' && cat "$scratch/$file"; } > "$scratch/whole"
    mv "$scratch/whole" "$file"
    echo "lock: $file has $(grep -c == "$file") packages"
}

# What an extra of one of our distributions asks for: extra FOLDER NAME
extra() {
    "${PYTHON:-python3.11}" -c 'import sys, tomllib
project = tomllib.load(open(sys.argv[1] + "/pyproject.toml", "rb"))["project"]
print(*project["optional-dependencies"][sys.argv[2]], sep="\n")' "$@"
}

platform=x86_64-manylinux_2_34 # tflite-runtime's and ai-edge-litert's newest tag; Debian 12 has glibc 2.36
printf '%s\n' '-e ./device[litert,tflite,node]' '-e ./trainer[dask]' '-e ./tools[demo]' |
    lock trainer-py311.lock 3.11 "$platform" --only-binary :all: --group build
printf '%s\n' '-c trainer-py311.lock' |
    lock dev-py311.lock 3.11 "$platform" --group dev
# What openl3 needs beside what is installed anyway; openl3 itself is in no lock, because its build downloads weights.
{ printf '%s\n' '-c trainer-py311.lock' '-c dev-py311.lock' && extra trainer openl3; } |
    lock openl3-py311.lock 3.11 "$platform"

for python in 3.11 3.13; do
    for machine in x86_64 aarch64; do
        echo '-e ./device[litert,node]' |
            lock "node-py${python/./}-$machine.lock" "$python" "$machine-manylinux_2_34" --only-binary :all:
    done
done
# The other runtime and the NumPy it needs, which `make test-arm` puts before the node's packages.
{ echo '-c trainer-py311.lock' && extra device tflite; } |
    lock arm-tflite-py311.lock 3.11 aarch64-manylinux_2_34 --only-binary :all:
printf '%s\n' '-c node-py311-x86_64.lock' |
    lock node-test-py311.lock 3.11 "$platform" --only-binary :all: --group test
