#!/bin/sh
# run [FILE]: builds and runs the benchmarks, and prints their tables: the training steps, the
# matrix functions beside the limit of memory and the peers that are installed. FILE gets the records
# (JSON). Variables that tune the BLAS to one processor are unset, so that every side has its own choice.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}-bench
[ -f "$build/build.ninja" ] || meson setup "$build" -Dbench=true -Dtests=disabled
ninja -C "$build" >/dev/null
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE BNORM_ISA
python=${PYTHON:-/usr/bin/python3}

if ! command -v "$python" >/dev/null; then
    echo "bench: without $python: no peers, no JSON" >&2
    exec "$build/bench/bench_matrix"
fi

parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
trap 'exit 1' HUP INT TERM
records=

# part SCRIPT MODULE: a benchmark of its own process, whose records are added.
part() {
    "$python" "bench/$1" "$build/bench/$2" --json "$parts/$1.json"
    records="$records --records $parts/$1.json"
    printf '\n'
}

if "$python" -c 'import torch' 2>/dev/null; then
    part step.py libbench_step.so
else
    echo "bench: no training steps without PyTorch" >&2
fi
# shellcheck disable=SC2086  # word splitting is meant
"$python" bench/compare.py "$build/bench/libbench_compare.so" $records ${1:+--json "$1"}
if "$python" -c 'import numpy' 2>/dev/null; then
    printf '\n'
    "$python" bench/accuracy.py "$build/bench/libbench_compare.so"
fi
