#!/bin/sh
# proof_mutants [BUILD]: changes one closed form of the proof at a time and expects that the proof then fails to
# compile. A mutant that compiles is an error: some theorem says less than it seems. Takes minutes; not part of
# `make check`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-${BUILD:-build}}
case $build in /*) ;; *) build=$root/$build ;; esac
work=$build/proof-mutants
survivors=0 count=0

# replace FILE FROM TO: replaces the first occurrence of a text; fails when there is none.
replace() {
    FROM=$2 TO=$3 awk '
        !done && (at = index($0, ENVIRON["FROM"])) {
            $0 = substr($0, 1, at - 1) ENVIRON["TO"] substr($0, at + length(ENVIRON["FROM"]))
            done = 1
        }
        { print }
        END { exit !done }
    ' "$1" >"$1.new" && mv "$1.new" "$1"
}

# mutant FILE FROM TO
mutant() {
    count=$((count + 1))
    rm -rf "$work"
    mkdir -p "$work/source"
    cp "$root"/proof/*.v "$work/source"
    replace "$work/source/$1" "$2" "$3" || {
        echo "proof_mutants: $1 no longer has: $2" >&2
        exit 1
    }
    if PROOF_SOURCE=$work/source PROOF_DIR=$work/coq sh "$root/tests/proof.sh" "$build" >"$work/log" 2>&1; then
        echo "SURVIVES  $1: $2  ->  $3"
        survivors=$((survivors + 1))
    elif grep -q '^proof: the proof does not compile' "$work/log"; then
        echo "refused   $1: $2  ->  $3 ($(sed -n 's/^File "\.\/\([A-Za-z]*\.v\)".*/\1/p' "$work/log" | head -n 1))"
    else
        cat "$work/log" >&2
        exit 1
    fi
}

d=Definitions.v
mutant $d ' - omega s i * zhat z i * dgamma z w / M s)' ')'
mutant $d 'w i - omega s i / n * dbeta w' 'w i'
mutant $d 'zhat z i * dgamma z w / M s' 'zhat z i * dgamma z w / n'
mutant $d 'gamma / sigma z * (w i' 'gamma * sigma z * (w i'
mutant $d '∑ i < (N s), zhat z i * w i' '∑ i < (N s), (z i - mu z) * w i'
mutant $d 'dbeta (w : nat -> R) : R := ∑ i < (N s), w i' 'dbeta (w : nat -> R) : R := ∑ i < (N s), omega s i * w i'
mutant $d 'omega s i * Xc i k * Xc i l) / M s' 'omega s i * Xc i k * Xc i l) / n'
mutant $d '∑ i < (N s), Xc i k * w i' '∑ i < (N s), X i k * w i'
mutant $d 'gamma / sigma_w g * (G w k' 'gamma * sigma_w g * (G w k'
mutant $d 'G w k - Sg g k * (dgamma_w g w / sigma_w g)' 'G w k'
mutant $d 'beta - gamma * mu_w g' 'beta + gamma * mu_w g'
mutant $d 'E q i / n (of m)' 'E q i'
mutant $d 'q (cG2 j) * a'\'' m (B q i j).' 'q (cG2 j).'
mutant $d 'V q i j * D q i' 'B q i j * D q i'
mutant $d 'same_unit unit i k * omega s k / unit_total' 'same_unit unit i k / unit_total'
mutant $d 'let dsq := 1 / M s * 1 * dvar' 'let dsq := 1 / INR (N s) * 1 * dvar'
mutant Algorithm.v 'let q := rstd * dgamma / divisor in' 'let q := rstd * dgamma / weight_total in'
mutant Algorithm.v 'let q := rstd * dgamma / divisor in' 'let q := rstd * (dgamma / divisor) in'
mutant $d 'question_yhat m q i) ^ 2) / INR (N (of m))' 'question_yhat m q i) ^ 2)'
mutant Headline.v 'q (cgamma j) = 1 \/' 'q (cgamma j) = 2 \/'
mutant Algorithm.v 'madd T (x i - mean) scale beta' '(x i - mean) * scale + beta'
mutant Algorithm.v 'then 3 else if' 'then 2 else if'
echo "$count mutants, $survivors survive"
[ "$survivors" = 0 ]
