#!/usr/bin/env bash
# Run tiers of the tests, `fast`, `slow` and `arm`, and say at the end how each went. Needs both environments.
#
# The fast tier runs in .venv, and the contract's and the device's part again in .venv-node: NumPy 2, no TensorFlow.
# The tests of `arm` run in .venv, and what they start under qemu with what lies in .arm.
# TEST_SUMMARY names a file that gets the summary too.
set -uo pipefail
cd "$(dirname "$0")/.."

verdicts=()
failed=0

# run NAME SONYC_TEST_ENV PYTHON [pytest argument]...
run() {
    local name=$1 environment=$2 python=$3 log status
    shift 3
    log=$(mktemp)
    printf '\n=== %s\n' "$name"
    SONYC_TEST_ENV=$environment "$python" -m pytest --durations=15 "$@" < /dev/null 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    [[ $status -eq 0 ]] || failed=1
    verdicts+=("$name:" "$(tail -n 1 "$log")")
    rm -f "$log"
}

for tier in "$@"; do
    case $tier in
        fast)
            run "fast tier, trainer's environment" trainer .venv/bin/python -m "not slow"
            run "fast tier, node's environment" node .venv-node/bin/python -m "not slow" tests/contract tests/device
            ;;
        slow) run "slow tier, trainer's environment" trainer .venv/bin/python -m slow ;;
        arm) SONYC_ARM_ROOT=$PWD/.arm run "aarch64 wheels under qemu" trainer .venv/bin/python tests/arm ;;
        *)
            echo "usage: $0 fast|slow|arm..." >&2
            exit 2
            ;;
    esac
done

printf '\n=== summary\n'
printf '%s\n' "${verdicts[@]}" | tee -a "${TEST_SUMMARY:-/dev/null}"
exit "$failed"
