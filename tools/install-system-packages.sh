#!/usr/bin/env bash
# Install the Debian packages that the tests use, where this user may; otherwise print the command that does.
# With CI=true it is an error if they cannot be installed: a test that is skipped there would go unseen.
set -euo pipefail

packages=(
    age                                                           # sealed clips are opened with it
    mosquitto openssl                                             # a real broker, and certificates for it
    pulseaudio pulseaudio-utils libasound2-plugins libportaudio2  # capture through PortAudio from a null sink
    chromium chromium-driver fonts-dejavu-core                    # a study's report in a real browser
    systemd strace                                                # the service's unit, and whether it permits enough
    e2fsprogs                                                     # a card that fails under a running agent
    qemu-user-static                                              # the node's aarch64 wheels on this machine
)
[[ $(uname -m) != aarch64 ]] || packages+=(libatomic1) # pedalboard's wheel links it there

is_installed() {
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

give_up() {
    echo "system packages: $1; these are missing: ${missing[*]}"
    echo "  sudo apt-get install ${missing[*]}"
    if [[ ${CI:-} == true ]]; then
        exit 1
    fi
    echo "  without them the tests that need them are skipped by name"
    exit 0
}

# Installing mosquitto starts it as a service; we want the program, not another service on this machine.
# invoke-rc.d asks policy-rc.d first; one that is already there is not ours to replace.
keep_services_down() {
    policy=/usr/sbin/policy-rc.d
    [[ ! -e $policy ]] || return 0
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin "$policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
}

install_missing() {
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
    "${apt[@]}" update && "${apt[@]}" install --yes --no-install-recommends "${missing[@]}"
}

# A service that a distribution's own package starts is also enabled for the next boot.
disable_started_services() {
    [[ -d /run/systemd/system && " ${missing[*]} " == *' mosquitto '* ]] || return 0
    "${as_root[@]}" systemctl disable --quiet mosquitto.service || true
}

missing=()
if command -v dpkg-query > /dev/null; then
    for package in "${packages[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
else
    missing=("${packages[@]}")
fi
[[ ${#missing[@]} -gt 0 ]] || exit 0

command -v apt-get > /dev/null || give_up "this is not a Debian system"
if [[ $EUID -eq 0 ]]; then
    as_root=()
elif sudo -n true 2> /dev/null; then
    as_root=(sudo -n)
else
    give_up "this user is neither root nor has sudo without a password"
fi

echo "system packages: installing ${missing[*]}"
log=$(mktemp)
keep_services_down
if ! install_missing < /dev/null > "$log" 2>&1; then
    tail -n 20 "$log"
    rm -f "$log"
    give_up "apt-get could not install them"
fi
rm -f "$log"
disable_started_services
