#!/bin/sh
# mutants_within ROOT: as mutants.sh, of the projection of fixed effects: breaks a copy of its sources in one place at a
# time, and fails unless its suites notice each. CC: the compiler. Every alteration must apply, so none goes stale.
set -eu
root=$1
cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$root/src" "$root/include" "$root/tests" "$work"
cd "$work"
export OMP_WAIT_POLICY=passive

compile() { # SOURCE
    # shellcheck disable=SC2086
    $cc -std=c17 -O1 -w -D_GNU_SOURCE -Iinclude -Isrc -c "$1" -o "$(echo "$1" | tr / _).o"
}
# Nothing here calls a kernel: views need to know the size of an element alone.
cat >kernels.c <<'END'
#include "kernel/kernel.h"
static const bnorm_kernels of_f64 = {.size = sizeof(double)}, of_f32 = {.size = sizeof(float)};
const bnorm_kernels *bnorm_kernels_f64(void) { return &of_f64; }
const bnorm_kernels *bnorm_kernels_f32(void) { return &of_f32; }
END
objects=
for source in src/base/*.c kernels.c src/matrix/view.c src/panel/singletons.c src/panel/within*.c tests/support.c \
    tests/within_support.c tests/test_within.c tests/test_within_more.c; do
    compile "$source"
    case $source in tests/test_*) ;; *) objects="$objects $(echo "$source" | tr / _).o" ;; esac
done

# The suite of the laws first, for it is quick and notices most.
notices() {
    for suite in test_within test_within_more; do
        # shellcheck disable=SC2086
        $cc $objects "tests_$suite.c.o" -o "$suite" -lcmocka -lm -lpthread || exit 1 # no verdict without the suites
        timeout 120 "./$suite" >log 2>&1 || return 0
    done
    return 1
}

survived=0 count=0
# mutant NAME FILE SED: the altered file must differ, compile, and fail a suite.
mutant() {
    count=$((count + 1))
    cp "src/panel/$2" kept
    sed -i "$3" "src/panel/$2"
    if cmp -s kept "src/panel/$2"; then
        echo "mutant '$1' no longer applies to src/panel/$2: bring it up to date" >&2
        exit 1
    fi
    compile "src/panel/$2"
    if notices; then
        echo "noticed:  $1"
    else
        echo "SURVIVED: $1"
        survived=$((survived + 1))
    fi
    cp kept "src/panel/$2"
    compile "src/panel/$2"
}

if notices; then
    echo "the unaltered sources fail:" >&2
    cat log >&2
    exit 1
fi

a=within_pass.c p=within_project.c s=within_slopes.c
mutant "no pivot: rounded where the mean is large" $a 's|for EACH (l) row\[l\] -= pivot\[l\];||; s|row\[l\] -= pivot\[l\];|row[l] -= 0;|'
mutant "weights left out of the mean" $a 's|sum\[l\] += q->weights\[e\] \* row\[l\];|sum[l] += row[l];|'
mutant "weights left out of a slope's share" $a 's|double a = basis\[e\] \* (q->weights ? q->weights\[e\] : 1);|double a = basis[e];|'
mutant "weights left out of the equations" $a 's|double w = q->weights ? q->weights\[e\] : 1;|double w = 1;|'
mutant "weights left out of two factors" $a 's|double omega = weights ? weights\[e\] : 1;|double omega = 1;|'
mutant "effects subtracted without their rests" $a 's|row\[l\] += rest\[l\];|row[l] += 0;|'
mutant "lanes that are done written again" $a 's/store == WITHIN_STORE_ALL || s->open\[l\]/1/'
mutant "slopes of other blocks not subtracted" $a 's|j < b->constant ? 1 : b->basis|j < b->constant ? 1 : 0 * b->basis|'
mutant "rows without weight have a say" within_build.c 's|!(weights\[i\] > 0))\]++|0)]++|'
mutant "one round only" $p 's|stalls < MOST_STALLS|!solved|'
mutant "a tolerance of the column, not of what is left" $p 's|s->q->tolerance \* s->norm\[l\]|s->q->tolerance * s->first[l]|'
mutant "first y rounded: projected from y, not from x" $p 's|bnorm_within_pass(&s, 0, WITHIN_MEASURE);|bnorm_within_pass(\&s, 0, WITHIN_STORE_ALL); s.x.from = s.x.to; s.x.from_row = s.x.to_row; s.x.from_col = s.x.to_col;|'
mutant "what is not finite stays in its level" $p 's|spoil(&s, l);||'
mutant "lanes go on after they have stopped" $p 's|c->open\[l\] && along\[l\] > 0 ? c->rho|along[l] > 0 ? c->rho|'
mutant "fewer sweeps than are stated" $p 's/MOST_SWEEPS = 10000/MOST_SWEEPS = 5000/'
mutant "columns that are nothing new kept" $s 's|#define SMALL 1e-12|#define SMALL 1e-30|'
mutant "the triangle forgets earlier columns" $s 's|\*entry(b, l, k, j) += share\[l\];||'
mutant "components not taken off" within_rank.c 's|\*rank -= shared;||'
mutant "components of rows without weight" within_rank.c 's|if (weights \&\& !(weights\[e\] > 0)) continue;||'
mutant "effects not counted from the first" within_effects.c 's|effects_b\[l\] -= \*s;||'
mutant "the first factor loses its level" within_effects.c 's|effects_a\[l\] += shift|effects_a[l] += 0 * shift|'
mutant "back substitution without earlier columns" within_effects.c 's|c -= r\[j|c -= 0 * r[j|'
mutant "singletons once only" singletons.c 's|look(c, l);||'
mutant "slopes make singletons" singletons.c 's|if (c->factors\[k\].slope) continue;||'
echo "$count mutants, $survived survived"
[ "$survived" -eq 0 ]
