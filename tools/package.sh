#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Debian packages from a build, whatever prefix it is configured for: framemill (program, library, networks, manual) and libframemill-dev
# (headers, static library, pkg-config). The same sources give the same bytes: times come from SOURCE_DATE_EPOCH, or from the last commit.
# Usage: tools/package.sh BUILD FOLDER    prints the names of the packages; ./dev package does it all
set -eu
cd "$(dirname "$0")/.."
umask 022
build=${1:?usage: tools/package.sh BUILD FOLDER} folder=${2:?usage: tools/package.sh BUILD FOLDER}
export LC_ALL=C SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y meson.build)}
maintainer="${DEBFULLNAME:-framemill contributors} <${DEBEMAIL:-framemill@localhost.localdomain}>"
version=$(sed -n "s/^ *version: '\(.*\)',/\1/p" meson.build | head -n 1)
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
main=$work/framemill dev=$work/libframemill-dev

# Everything is installed once, where the build would have it, and moves to /usr: of all files the one for pkg-config alone names that
# place. What only programmers need moves to the second package.
stage() {
    local libraries place
    DESTDIR=$work/staged meson install -C "$build" --no-rebuild --quiet
    place=$(find "$work/staged" -name framemill.pc)
    mkdir "$main"
    mv "$work/staged$(sed -n 's/^prefix=//p' "$place")" "$main/usr"
    [ -z "$(find "$work/staged" ! -type d)" ] || { echo "package.sh: $build installs files outside of its prefix" >&2; return 1; }
    sed -i 's|^prefix=.*|prefix=/usr|' "$(find "$main" -name framemill.pc)"
    libraries=$(dirname "$(find "$main" -name libframemill.a)")
    mkdir -p "$dev${libraries#"$main"}"
    mv "$main/usr/include" "$dev/usr/include"
    mv "$libraries/libframemill.a" "$libraries/libframemill.so" "$libraries/pkgconfig" "$dev${libraries#"$main"}/"
    strip --strip-all --remove-section=.comment "$main/usr/bin/framemill"
    strip --strip-unneeded --remove-section=.comment "$libraries"/libframemill.so.*.*
    strip --strip-debug --enable-deterministic-archives "$dev${libraries#"$main"}/libframemill.a"
    gzip -9 -n "$main"/usr/share/man/man1/*.1
    find "$work" -type d -exec chmod 755 {} +
    find "$main" "$dev" -type f ! -path '*/bin/*' -exec chmod 644 {} +
}

# What the program and the library are linked to, with the versions that they need.
linked_to() {
    local found
    command -v dpkg-shlibdeps >/dev/null || { echo libc6; return; }
    mkdir -p "$work/debian"
    printf 'Source: framemill\n\nPackage: framemill\nArchitecture: any\n' >"$work/debian/control"
    found=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info -l"$(dirname "$(find "$main" -name 'libframemill.so.*.*')")" \
        "$main/usr/bin/framemill" "$(find "$main" -name 'libframemill.so.*.*')" 2>/dev/null)
    echo "${found#shlibs:Depends=}"
}

# FFmpeg's libraries of the headers that it was built with: what opens videos, filters and devices.
ffmpeg_packages() {
    local library version list=
    for library in libavformat libavcodec libavutil libswscale libavfilter libavdevice libswresample; do
        version=$(pkg-config --modversion "$library")
        list="$list, $library${version%%.*}"
    done
    echo "${list#, }"
}

describe() { # FOLDER PACKAGE: licence and changes
    local docs=$1/usr/share/doc/$2
    mkdir -p "$docs"
    {
        echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
        echo "Upstream-Name: framemill"
        echo
        echo "Files: *"
        sed -n 's/^Copyright (c) /Copyright: /p' LICENSE
        echo "License: Expat"
        sed -e '1,/^Copyright/d' -e '/./,$!d' LICENSE | sed -e 's/^$/./' -e 's/^/ /'
    } >"$docs/copyright"
    {
        echo "framemill ($version) unstable; urgency=medium"
        echo
        echo "  * Version $version."
        echo
        echo " -- $maintainer  $(date -u -R -d "@$SOURCE_DATE_EPOCH")"
    } | gzip -9 -n >"$docs/changelog.gz"
}

pack() { # FOLDER PACKAGE, more control fields on standard input
    local root=$1 name=$2 file=$folder/${2}_${version}_$architecture.deb
    describe "$root" "$name"
    mkdir -p "$root/DEBIAN"
    (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
    {
        echo "Package: $name"
        echo "Source: framemill"
        echo "Version: $version"
        echo "Architecture: $architecture"
        echo "Maintainer: $maintainer"
        echo "Installed-Size: $(find "$root/usr" -type f -printf '%s\n' | awk '{ k += int(($1 + 1023) / 1024) } END { print k }')"
        echo "Priority: optional"
        cat
    } | sed "/^Source: $name\$/d" >"$root/DEBIAN/control"
    chmod 755 "$root/DEBIAN"
    find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group --threads-max=1 -Zxz --build "$root" "$file" >/dev/null
    echo "$file"
}

mkdir -p "$folder"
stage
mkdir -p "$main/DEBIAN"
echo "activate-noawait ldconfig" >"$main/DEBIAN/triggers"
soname=$(find "$main" -name 'libframemill.so.?' -printf '%f\n')
echo "libframemill ${soname##*.} framemill (>= $version)" >"$main/DEBIAN/shlibs"
# libvips opens pictures and zlib packs PNG: both are loaded when the first picture is. libcurl pulls networks; ISA-L packs PNG faster;
# FFmpeg opens videos.
pack "$main" framemill <<CONTROL
Section: graphics
Depends: $(linked_to), libvips42 (>= 8.14) | libvips42t64, zlib1g
Recommends: libcurl4 | libcurl4t64, libisal2, $(ffmpeg_packages)
Description: enlarges pictures and runs small neural networks on plain processors
 framemill runs small convolutional networks on images, in real time, on the
 processor you have: no Python, no gigabyte runtime, no GPU needed. Networks
 are read from ONNX files and from ncnn's.
 .
 This package has the program, the library that programs link to, the networks
 that come with it, and the manual.
CONTROL
pack "$dev" libframemill-dev <<CONTROL
Section: libdevel
Depends: framemill (= $version), libc6-dev
Description: headers and static library of framemill
 framemill runs small convolutional networks on images, in real time, on the
 processor you have.
 .
 This package has what it takes to build programs with it: headers, the static
 library, a pkg-config file.
CONTROL
