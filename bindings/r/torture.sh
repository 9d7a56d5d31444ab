#!/bin/sh
# torture.sh FOLDER valgrind|gctorture: installs the tarball in FOLDER into a library of its own and runs the
# package's tests of matrices, of bad input and of structured models, and a fit with parts made of R functions, under
# valgrind or with a collection of garbage at every 50th allocation. Fails when a test fails or valgrind finds an error.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$1"
mkdir -p library
R CMD INSTALL --no-docs --library=library bnorm_*.tar.gz >torture.log 2>&1 || {
    cat torture.log
    exit 1
}
R_LIBS=$PWD/library
export R_LIBS
script='library(testthat); library(bnorm)
if (nzchar(Sys.getenv("TORTURE"))) gctorture2(50)
for (f in c("matrix", "bad", "methods", "network", "demean", "panel", "panel-bad", "panel-net")) {
  test_file(file.path(Sys.getenv("TESTS"), paste0("test-", f, ".R")), package = "bnorm",
            reporter = "summary", stop_on_failure = TRUE)
}'
TESTS=$here/tests/testthat
BNORM_ISA=${BNORM_ISA:-avx2} # valgrind knows no AVX-512
export TESTS BNORM_ISA
case $2 in
valgrind)
    # R itself and its regular expressions read what they have not set: only errors in bnorm count.
    R -d "valgrind --error-exitcode=0 --log-file=valgrind.log --num-callers=30" \
        --vanilla -e "$script"
    if grep -n 'bnorm\.so' valgrind.log; then
        echo "torture.sh: valgrind found errors in bnorm: see valgrind.log" >&2
        exit 1
    fi
    tail -n 3 valgrind.log
    ;;
gctorture) TORTURE=yes R --vanilla -q -e "$script" ;;
*) exit 2 ;;
esac
