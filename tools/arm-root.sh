#!/usr/bin/env bash
# Make the folder from which `make test-arm` runs the agent as on 64-bit Raspberry Pis: arm-root.sh FOLDER
#
# FOLDER gets `debian` (Debian's arm64 Python and what the README has a node install), `node` (the node's locked wheels),
# `tflite` (the other runtime and its NumPy, for the front of the path), and a folder per processor that qemu sees as /.
# Nothing outside FOLDER changes: apt keeps lists and state of its own there, and no package is installed.
# PYTHON names a Python 3.11 with pip.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(realpath -m "${1:?usage: tools/arm-root.sh FOLDER}")
python=${PYTHON:-python3.11}
packages=(python3.11-minimal libpython3.11-stdlib libstdc++6 libportaudio2 libatomic1)

log=$(mktemp)
trap 'rm -f "$log"' EXIT

give_up() {
    tail -n 15 "$log" >&2
    echo "arm-root: $1" >&2
    exit 1
}

# The machine's own package sources, read for another architecture; hooks of the machine's own apt stay out.
configure_apt() {
    mkdir -p "$folder"/apt/{lists,cache/archives}/partial
    : > "$folder/apt/status"
    cat > "$folder/apt/apt.conf" << END
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Dir::State "$folder/apt";
Dir::State::lists "$folder/apt/lists";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt/cache";
END
}

unpack_packages() {
    local apt=(apt-get --quiet --yes -c "$folder/apt/apt.conf") package
    configure_apt
    "${apt[@]}" update > "$log" 2>&1 || true # a source that fails is only bad if packages are missing then
    compgen -G "$folder/apt/lists/*binary-arm64_Packages*" > /dev/null ||
        give_up "no list of arm64 packages could be fetched: is there a network?"
    "${apt[@]}" --download-only install "${packages[@]}" >> "$log" 2>&1 ||
        give_up "apt-get could not fetch ${packages[*]}: is there a network, and do this machine's package sources have Python 3.11 for arm64, as those of Debian 12 have?"
    for package in "$folder"/apt/cache/archives/*.deb; do
        dpkg -x "$package" "$folder/debian" || give_up "dpkg could not unpack $package"
    done
    rm -r "$folder/apt"
}

# install_wheels LOCK TARGET; of every tag that Debian 12's glibc 2.36 serves.
install_wheels() {
    local platforms=(--platform manylinux2014_aarch64) minor
    for minor in {17..36}; do
        platforms+=(--platform "manylinux_2_${minor}_aarch64")
    done
    "$python" -m pip install -qq --target "$2" --only-binary :all: --python-version 3.11 "${platforms[@]}" \
        --no-deps --require-hashes -r "$1" > "$log" 2>&1 ||
        give_up "pip could not fetch the aarch64 wheels of $1: is there a network?"
}

# make_processor NAME PART FEATURE...: what a Pi with this ARM processor says of itself. Without it ai-edge-litert reads
# the /proc/cpuinfo of this machine, finds no ARM processor and crashes (2.2.0 and 2.3.0).
make_processor() {
    local place=$folder/$1 part=$2 core
    shift 2
    mkdir -p "$place/proc"
    for entry in "$folder"/debian/*; do
        ln -s "../debian/${entry##*/}" "$place/"
    done
    for core in 0 1 2 3; do
        printf '%s\t: %s\n' processor "$core" Features "$*" 'CPU implementer' 0x41 'CPU architecture' 8 \
            'CPU variant' 0x0 'CPU part' "$part" 'CPU revision' 3
        echo
    done > "$place/proc/cpuinfo"
}

for program in qemu-aarch64-static:qemu-user-static apt-get:apt dpkg:dpkg; do
    command -v "${program%:*}" > /dev/null ||
        give_up "there is no ${program%:*}: it is in Debian's package ${program#*:} (make system-packages)"
done
[[ ! -e $folder || -d $folder/debian ]] || give_up "$folder exists, and this program did not make it"
rm -rf "$folder"
mkdir -p "$folder/debian"
echo "arm-root: unpacking Debian's arm64 Python (17 MB to fetch)"
unpack_packages
echo "arm-root: unpacking $(grep -c == node-py311-aarch64.lock) aarch64 wheels and tflite-runtime (90 MB to fetch)"
install_wheels node-py311-aarch64.lock "$folder/node"
install_wheels arm-tflite-py311.lock "$folder/tflite"
make_processor cortex-a53 0xd03 fp asimd evtstrm crc32 cpuid                              # Pi 3
make_processor cortex-a72 0xd08 fp asimd evtstrm crc32 cpuid                              # Pi 4
make_processor cortex-a76 0xd0b fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp \
    asimdhp cpuid asimdrdm lrcpc dcpop asimddp                                            # Pi 5
