#!/bin/sh
# proof [BUILD]: compiles proof/ from nothing into BUILD/proof-coq, then checks
#   - bits: what the library computes, with each instruction set, is what Algorithm.v computes on binary64;
#   - assumptions: each theorem of Headline.v rests on the axioms that proof/assumptions.txt lists, no other;
#   - nothing is left open: no Admitted, no axiom of our own.
# With `-u`, writes assumptions.txt anew instead of comparing. Exits 77 when coqc is missing.
set -eu
export LC_ALL=C
update=
[ "${1:-}" != -u ] || { update=1 && shift; }
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-${BUILD:-build}}
command -v coqc >/dev/null 2>&1 || {
    echo "proof: coqc not found; install coq and libcoq-coquelicot" >&2
    exit 77
}
case $build in /*) ;; *) build=$root/$build ;; esac
corpus=$build/proof/proof_corpus
[ -x "$corpus" ] || {
    echo "proof: $corpus is missing; run ninja -C $build first" >&2
    exit 1
}
dir=${PROOF_DIR:-$build/proof-coq}
rm -rf "$dir"
mkdir -p "$dir"
cp "${PROOF_SOURCE:-$root/proof}"/*.v "$dir"
cd "$dir"

if grep -nE '\b(Admitted|admit|Axiom|Axioms|Parameter|Parameters|Conjecture)\b' ./*.v; then
    echo "proof: the proof leaves something open (see above)" >&2
    exit 1
fi

# The scalar kernels round a product and a sum apart, the others together: two corpora at most.
BNORM_ISA=scalar "$corpus" >CorpusPlain.v
"$corpus" >CorpusFused.v
for isa in avx2 avx512 neon; do
    BNORM_ISA=$isa "$corpus" >bits
    cmp -s bits CorpusPlain.v || cmp -s bits CorpusFused.v || {
        echo "proof: BNORM_ISA=$isa gives bits of its own" >&2
        exit 1
    }
done

theorems=$(sed -n 's/^Theorem \([A-Za-z0-9_]*\).*/\1/p' Headline.v)
{
    echo 'From bnorm Require Import Headline Instances.'
    for name in $theorems; do
        printf 'Goal True. idtac "== %s". Abort.\nPrint Assumptions %s.\n' "$name" "$name"
    done
} >Gate.v

# Gate prints, so it is compiled last and alone.
coq_makefile -R . bnorm -arg '-w -ambiguous-paths' $(ls ./*.v | grep -v Gate) -o coq.make >/dev/null
make -f coq.make -j"${JOBS:-2}" >make.log 2>&1 || {
    cat make.log >&2
    echo "proof: the proof does not compile" >&2
    exit 1
}
coqc -q -w -ambiguous-paths -R . bnorm Gate.v >gate.log

# One line a theorem: its name, then its axioms in order.
awk '
    function flush() { if (name != "") print name ":" axioms }
    /^== / { flush(); name = $2; axioms = "" }
    /^[A-Za-z_][A-Za-z0-9_.]*( :|$)/ && !/^(Axioms|Closed)/ { axioms = axioms " " $1 }
    /^Closed under the global context/ { axioms = " none" }
    END { flush() }
' gate.log >assumptions.txt
if [ -n "$update" ]; then
    cp assumptions.txt "$root/proof/assumptions.txt"
fi
cat assumptions.txt
diff -u "$root/proof/assumptions.txt" assumptions.txt || {
    echo "proof: the assumptions differ from proof/assumptions.txt (- listed, + found)" >&2
    exit 1
}
echo "OK: $(echo "$theorems" | wc -l) theorems, $(grep -c '^mkcase' CorpusPlain.v) columns with the library's bits, $(sed -n 's/.*(agrees \([a-z]*\)).*/\1/p' Corpus*.v | sort -u | tr '\n' ' ')"
