#!/bin/sh
# run [-d] [FILE]: builds and runs the benchmarks, and prints their tables: training steps, the matrix
# functions beside the limit of memory and the peers that are installed, their errors, their cost against
# sizes. FILE gets the records (JSON). -d writes tables and plots into docs/ and README.md: commit that.
# Variables that tune the BLAS to one processor are unset, so that every side has its own choice.
set -eu
cd "$(dirname "$0")/.."
docs=no
[ "${1-}" = -d ] && docs=yes && shift
build=${BUILD:-build}-bench
[ -f "$build/build.ninja" ] || meson setup "$build" -Dbench=true -Dtests=disabled >/dev/null
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

has() { "$python" -c "import $1" 2>/dev/null; }
if has torch; then
    part step.py libbench_step.so
else
    echo "bench: no training steps without PyTorch" >&2
fi
compare=$build/bench/libbench_compare.so
# shellcheck disable=SC2086  # word splitting is meant
"$python" bench/compare.py "$compare" $records --json "${1:-$parts/records.json}" --machine "$parts/machine.txt"
if has numpy; then
    printf '\n'
    "$python" bench/accuracy.py "$compare" --json "$parts/accuracy.json"
fi
[ "$docs" = no ] || {
    printf '\n'
    "$python" bench/scaling.py "$compare" --json "$parts/scaling.json"
    [ -z "${1-}" ] || cp "$1" "$parts/records.json"
    "$python" bench/docs.py "$parts"
}
