#!/bin/sh
# check.sh FOLDER: R CMD check --as-cran of the tarball in FOLDER. Fails on an error, a warning, or a note other than
# that of a new submission and what the missing network causes. MANUAL=yes checks the PDF manual, too (needs LaTeX).
set -eu
cd "$1"
tarball=$(ls bnorm_*.tar.gz)
manual=--no-manual
[ "${MANUAL:-no}" = no ] || manual=
# What asks the network, or the clock of another machine, or the packages that the checking machine lacks.
_R_CHECK_CRAN_INCOMING_=${INCOMING:-false}
_R_CHECK_CRAN_INCOMING_REMOTE_=false
_R_CHECK_SYSTEM_CLOCK_=false
_R_CHECK_FORCE_SUGGESTS_=true
export _R_CHECK_CRAN_INCOMING_ _R_CHECK_CRAN_INCOMING_REMOTE_ _R_CHECK_SYSTEM_CLOCK_ _R_CHECK_FORCE_SUGGESTS_
# shellcheck disable=SC2086  # no word when empty
R CMD check --as-cran $manual "$tarball"
status=$(sed -n 's/^Status: //p' bnorm.Rcheck/00check.log)
case $status in
OK) ;;
'1 NOTE') grep -q 'New submission' bnorm.Rcheck/00check.log ;;
*) exit 1 ;;
esac
