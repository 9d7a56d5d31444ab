#!/bin/sh
# deb FOLDER: makes the Debian source and binary packages of this tree in FOLDER and holds them against
# lintian. Needs dpkg-dev, debhelper and lintian; no root.
set -eu
folder=$1
root=$(cd "$(dirname "$0")/.." && pwd)
for tool in dpkg-buildpackage dh lintian; do
    command -v $tool >/dev/null 2>&1 || {
        echo "deb: needs $tool: apt-get install dpkg-dev debhelper lintian" >&2
        exit 77
    }
done
version=$(sed -n "s/^  version: '\(.*\)',/\1/p" "$root/meson.build")
rm -rf "$folder"
mkdir -p "$folder/bnorm-$version"
folder=$(cd "$folder" && pwd)
cd "$root"
# What the tree holds now, without what git ignores; the packaging is Debian's part, not upstream's.
git ls-files -co --exclude-standard -z | grep -zv '^debian/' | tar -c --null -T - |
    tar -x -C "$folder/bnorm-$version"
cd "$folder"
tar -czf "bnorm_$version.orig.tar.gz" "bnorm-$version"
cp -R "$root/debian" "bnorm-$version/debian"
cd "bnorm-$version"
dpkg-buildpackage -us -uc >../build.log 2>&1 || {
    tail -n 40 ../build.log
    exit 1
}
cd ..
ls -- *.deb *.dsc
# The package is not uploaded to Debian, where a first one closes a bug.
lintian --fail-on error,warning --allow-root --tag-display-limit 0 \
    --suppress-tags initial-upload-closes-no-bugs ./*.changes
echo 'deb: lintian finds nothing'
