#!/bin/sh
# neon ROOT: the sources compile for 64-bit ARM without warnings, NEON kernels included. Exit code 77
# (skipped) without the cross compiler.
set -eu
cd "$1"
compiler=aarch64-linux-gnu-gcc
command -v $compiler >/dev/null || exit 77
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
for file in $(find src/base src/kernel src/matrix src/layer src/train src/panel -name "*.c" | sort); do
    $compiler -std=c17 -O2 -fopenmp -fPIC -Wall -Wextra -pedantic -Werror -Iinclude -Isrc -c "$file" \
        -o "$objects/$(echo "$file" | tr / _).o"
done
aarch64-linux-gnu-nm "$objects"/src_kernel_*.o | grep -q neon || {
    echo "neon: no symbol of the kernels names NEON"
    exit 1
}
