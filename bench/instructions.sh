#!/bin/sh
# instructions [-r] PROGRAM: counts the instructions of each matrix function on each shape by callgrind and
# compares them with those recorded in instructions.txt: a regression shows on any machine, however loaded.
# More than 3 % (and 300 instructions) apart, either way, is a failure. -r records anew; do so in the commit that
# changes the counts on purpose. PROGRAM is bench/count in a build folder (release). Exit code 77 (skipped)
# without valgrind, the recorded compiler, or an instruction set of the record.
# Valgrind knows no AVX-512: AVX2 is counted on all shapes, plain C on the three smallest.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
file=$here/instructions.txt
record=no
[ "${1-}" = -r ] && record=yes && shift
program=$1

skip() {
    echo "instructions: skipped: $1" >&2
    exit 77
}
command -v valgrind >/dev/null || skip 'valgrind is not installed'

# What fills fresh memory in the tests would be counted too.
unset MALLOC_PERTURB_
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# count ISA [MOST]: appends "isa op type layout rows cols count" lines to $work/counts.
count() {
    isa=$1
    shift
    mkdir "$work/$isa"
    BNORM_ISA=$isa valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="$work/$isa/dump" \
        "$program" "$@" >"$work/said" 2>"$work/log" || {
        cat "$work/log"
        exit 1
    }
    [ "$(sed -n 's/^isa //p' "$work/said")" = "$isa" ] || skip "this machine has no $isa"
    for dump in "$work/$isa"/dump.*; do
        awk '/^desc: Trigger: Client Request: / { sub(/.*Request: /, ""); name = $0 }
             /^totals: / { if (name != "") print name, $2 }' "$dump"
    done >>"$work/counts"
}

compiler() { sed -n 's/^#\{0,1\} *compiler //p' "$1"; }

[ "$record" = yes ] || {
    theirs=$(compiler "$file")
    ours=$("$program" 0 | sed -n 's/^compiler //p')
    [ "$ours" = "$theirs" ] || skip "built by compiler $ours, recorded with $theirs"
}
count avx2
count scalar 262144

if [ "$record" = yes ]; then
    {
        echo "# Instructions of one call on one thread; made by: sh bench/instructions.sh -r BUILD/bench/count"
        echo "# compiler $(compiler "$work/said")"
        sort -k1,1 -k2,2 -k3,3 -k4,4 -k5,5n "$work/counts"
    } >"$work/new"
    mv "$work/new" "$file"
    exit 0
fi
awk -v margin=0.03 -v least=300 '
    NR == FNR { if (!/^#/) was[$1 " " $2 " " $3 " " $4 " " $5 " " $6] = $7; next }
    {
        name = $1 " " $2 " " $3 " " $4 " " $5 " " $6
        seen[name] = 1
        if (!(name in was)) { print "instructions: " name " is not recorded"; bad = 1; next }
        apart = $7 - was[name]
        if (apart > margin * was[name] + least || -apart > margin * was[name] + least) {
            printf "instructions: %s: %d, recorded %d (%+.1f %%)\n", name, $7, was[name], 100 * apart / was[name]
            bad = 1
        }
    }
    END {
        for (name in was) if (!(name in seen)) { print "instructions: " name " is recorded but was not counted"; bad = 1 }
        if (bad) print "instructions: meant? then record anew: sh bench/instructions.sh -r BUILD/bench/count"
        exit bad
    }' "$file" "$work/counts"
