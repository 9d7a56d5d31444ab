#!/bin/sh
# r.sh BUILD: the R package from its tarball, which is installed where this repository is not: R CMD check with its
# tests, examples and vignette, models shared with the command, fixed-effects models beside plm and sandwich, the
# cases of tests/conformance to the bit. The last line is "N passed, N failed, N skipped": the package's tests, and a
# step for each of these four.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
command -v R >/dev/null || {
    echo 'r: R was not found' >&2
    echo '0 passed, 0 failed, 1 skipped'
    exit 0
}
folder=$build/r
log=$folder/check.log
mkdir -p "$folder"
quietly() {
    "$@" >"$log" 2>&1 || {
        cat "$log"
        echo "r: $* failed"
        echo '0 passed, 1 failed, 0 skipped'
        exit 1
    }
}
quietly sh "$root/bindings/r/package.sh" "$folder"
echo 'r: the tarball is built, and in it the vignette'
quietly sh "$root/bindings/r/check.sh" "$folder"
echo 'r: R CMD check --as-cran is clean'

R_LIBS=$folder/bnorm.Rcheck
OMP_WAIT_POLICY=passive
export R_LIBS OMP_WAIT_POLICY
mkdir -p "$folder/files"
quietly Rscript "$root/tests/r_files.R" "$build/bnorm" "$root/examples/produc.csv" "$folder/files"
echo 'r: models of the command and of R are the same'

# Peers of the fixed-effects models, which ./setup check installs.
agreement=1
if Rscript -e 'quit(status = !(requireNamespace("plm") && requireNamespace("sandwich")))' >"$log" 2>&1; then
    (cd "$root" && Rscript tests/panel_agreement.R) >"$log" 2>&1 || {
        cat "$log"
        echo '0 passed, 1 failed, 0 skipped'
        exit 1
    }
    echo "r: $(tail -n 1 "$log")"
else
    echo 'r: plm and sandwich were not found: fixed-effects models are not compared' >&2
    agreement=0
fi

for isa in avx512 avx2 scalar; do
    BNORM_ISA=$isa "$build/tests/conformance" col "$root"/tests/conformance/*.txt >"$folder/c.txt"
    BNORM_ISA=$isa Rscript "$root/tests/conformance.R" "$root"/tests/conformance/*.txt >"$folder/r.txt"
    quietly cmp "$folder/c.txt" "$folder/r.txt"
done
lines=$(wc -l <"$folder/r.txt")
[ "$lines" -gt 1000 ]
echo "r: $lines results have the bits of C, with each instruction set"

# What ran, as the tests themselves wrote it down: "tests: 12 passed, 0 failed, 1 skipped".
ran=$(sed -n 's/^tests: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' \
    "$folder"/bnorm.Rcheck/tests/testthat.Rout)
[ -n "$ran" ] || {
    echo 'r: the log of the tests does not say what ran'
    echo '0 passed, 1 failed, 0 skipped'
    exit 1
}
# shellcheck disable=SC2086  # three numbers
set -- $ran
echo "$(($1 + 3 + agreement)) passed, $2 failed, $(($3 + 1 - agreement)) skipped"
