#!/bin/sh
# mutants ROOT: breaks a copy of the sources in one place at a time, and fails unless the tests of the
# matrix functions notice each. CC: the compiler. Every alteration must apply, so none goes stale.
set -eu
root=$1
cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$root/src" "$root/include" "$root/tests" "$work"
cd "$work"
export OMP_WAIT_POLICY=passive

flags="-std=c17 -O1 -w -D_GNU_SOURCE -Iinclude -Isrc"
objects=""
compile() { # SOURCE OBJECT
    # shellcheck disable=SC2086
    $cc $flags -c "$1" -o "$2"
}
for source in src/base/*.c src/kernel/*.c src/matrix/*.c tests/support.c tests/matrix_support.c \
    tests/test_matrix.c tests/test_matrix_laws.c; do
    case $source in src/matrix/blas.c | src/matrix/centred.c | src/matrix/gram.c | src/matrix/weightspace.c) continue ;; esac
    object=$(echo "$source" | tr / _).o
    compile "$source" "$object"
    case $source in tests/test_*) ;; *) objects="$objects $object" ;; esac
done

# link: the two suites from the objects as they are now.
link() {
    for suite in test_matrix test_matrix_laws; do
        # shellcheck disable=SC2086
        $cc $objects "tests_$suite.c.o" -o "$suite" -lcmocka -lm -lpthread
    done
}
notices() {
    link || exit 1 # no verdict without the suites
    for suite in test_matrix_laws test_matrix; do
        timeout 60 "./$suite" >log 2>&1 || return 0
    done
    return 1
}

survived=0 count=0
# mutant NAME FILE SED: the altered file must differ, compile, and fail a suite.
mutant() {
    count=$((count + 1))
    cp "src/$2" kept
    sed -i "$3" "src/$2"
    if cmp -s kept "src/$2"; then
        echo "mutant '$1' no longer applies to src/$2: bring it up to date" >&2
        exit 1
    fi
    case $2 in *.inc) sources="src/kernel/avx512.c src/kernel/avx2.c src/kernel/scalar.c" ;; *) sources=src/$2 ;; esac
    for source in $sources; do compile "$source" "$(echo "$source" | tr / _).o"; done
    if notices; then
        echo "noticed:  $1"
    else
        echo "SURVIVED: $1"
        survived=$((survived + 1))
    fi
    cp kept "src/$2"
    for source in $sources; do compile "$source" "$(echo "$source" | tr / _).o"; done
}

if notices; then
    echo "the unaltered sources fail:" >&2
    cat log >&2
    exit 1
fi

b=matrix/backward.c f=matrix/forward.c m=matrix/moments.c o=kernel/finish.inc
mutant "dx without the dgamma term" $o 's|q\[c\] = .*|q[c] = 0;|'
mutant "dx with n for n - ddof" $b 's|double divisor = job->n - job->rule.ddof;|double divisor = job->n;|'
mutant "dx without the mean term" $o 's|p\[c\] = .*|p[c] = 0;|'
mutant "dx without gamma" $b 's|bnorm_view_entry(job->x, job->gamma, c.begin)|NULL|'
mutant "dx with rows for sum(omega)" $b 's|job.n = bnorm_weight_total.*|job.n = (double)job.x->rows;|'
mutant "dx without weights in column-major" $b 's|const double \*weights = job->weights ? job->weights + r.begin : NULL;\(.*\)|const double *weights = NULL;\1|'
mutant "dx without rstd" $o 's|scale\[c\] = rstd\[c\];|scale[c] = 1;|'
mutant "dgamma without rstd" $o 's|dgamma\[c\] \*= rstd\[c\];||'
mutant "zhat squared lost: q without rstd" $o 's|q\[c\] = rstd\[c\] \* dgamma|q[c] = dgamma|'
mutant "sums without the last block" $b 's|for (ptrdiff_t b = 1; b < job->cut.blocks; b++)|for (ptrdiff_t b = 1; b + 1 < job->cut.blocks; b++)|'
mutant "variance with n for n - ddof" $f 's|double divisor = job->moments.total - job->rule.ddof;|double divisor = job->moments.total;|'
mutant "forward without beta" $f 's|bnorm_widen(x, job->beta, 0,|bnorm_widen(x, NULL, 0,|'
mutant "eps outside the root" $o 's|m2\[c\] / divisor + eps, root = 1 / sqrt(square)|m2[c] / divisor, root = 1 / (sqrt(square) + eps)|'
mutant "rstd of zero variance not 0" $o 's|root = square == 0 ? 0 : root;||'
mutant "M2 without the shift" $o 's|double rest = m2\[c\] - excess,|double rest = m2[c],|'
mutant "a far pivot kept" $o 's|#define FAR 16.0|#define FAR 1e300|'
mutant "merge without delta squared" $m 's|m2\[c\] += m2_b\[c\] + delta \* delta \* factor;|m2[c] += m2_b[c];|'
mutant "weights left out of row sums" kernel/rows.inc 's|vd e = kind == FN(WEIGHED) ? d \* t->omega\[i\] : d;|vd e = d;|'
mutant "weights left out of column sums" kernel/columns.inc 's|if (at->omega) e = .*||'
mutant "end of a column left out" kernel/columns.inc 's|if (i < count) FN(column_step).*||'
mutant "end of a column not written" kernel/column_maps.inc 's|if (i < count) FN(column_map_step).*||'
mutant "lanes of columns exchanged" kernel/lanes.inc 's|odd_lanes(v\[2 \* i\], v\[2 \* i + 1\])|odd_lanes(v[2 * i + 1], v[2 * i])|'
mutant "weights left out of the slope" kernel/terms_f64.inc 's|if (weighted) h \*= omega;||'
mutant "weights left out of the slope of floats" kernel/terms_f32.inc 's|if (weighted) h \*= omega;||'
mutant "mean rounded to float" kernel/terms_f32.inc 's|to->low\[c\] = (float)(-mean.*|to->low[c] = 0;|'
mutant "unit left out of dx" kernel/terms_f32.inc 's|if (units) dx \*= v\[5\];||'
mutant "mean not subtracted in the slope" kernel/terms_f64.inc 's|vd h = MADD(x - v\[0\],|vd h = MADD(x,|'
echo "$count mutants, $survived survived"
[ "$survived" -eq 0 ]
