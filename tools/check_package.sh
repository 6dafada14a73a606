#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes the Debian packages, looks at what is in them, and runs the program from where they were unpacked.
# Usage: tools/check_package.sh BUILD FOLDER
cd "$(dirname "$0")/.." || exit 1
build=${1:?usage: tools/check_package.sh BUILD FOLDER} folder=${2:?usage: tools/check_package.sh BUILD FOLDER}
command -v dpkg-deb >/dev/null || { echo "no dpkg-deb here"; echo "0 passed, 0 failed, 1 skipped"; exit 0; }
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y meson.build)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

# try TITLE COMMAND...
try() {
    local title=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        echo "$title:"
        cat "$work/log"
        failed=$((failed + 1))
    fi
}

make_packages() { tools/package.sh "$build" "$1"; }
same_again() { make_packages "$work/again" && for file in "$work"/again/*.deb; do cmp "$file" "$folder/${file##*/}" || return; done; }
field() { dpkg-deb --field "$1" "$2" | tr '\n' ' '; }
field_is() { field "$1" "$2" | grep -Eq -- "$3" || { field "$1" "$2"; return 1; }; }
only_usr() { ! dpkg-deb --fsys-tarfile "$1" | tar -t | grep -Ev '^\./(usr/.*)?$'; }
owned_by_root() { ! dpkg-deb --fsys-tarfile "$1" | tar -tv | grep -Ev '^[-dl][-rwx]{9} root/root '; }
modes() { ! dpkg-deb --fsys-tarfile "$1" | tar -tv | grep -Ev '^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x .*/bin/[a-z]*$|lrwxrwxrwx)'; }
sums() { (cd "$2" && dpkg-deb --control "$1" "$2/DEBIAN" && md5sum --quiet -c DEBIAN/md5sums &&
    [ "$(find usr -type f | wc -l)" -eq "$(wc -l <DEBIAN/md5sums)" ]); }
size_is_near() { # Installed-Size, in KiB, is what du finds, within a tenth and 64
    local said found
    said=$(field "$1" Installed-Size) found=$(du -s --apparent-size -k "$2/usr" | cut -f 1)
    echo "$said said, $found found"
    [ "$said" -gt $((found * 9 / 10 - 64)) ] && [ "$said" -lt $((found * 11 / 10 + 64)) ]
}
has() { [ -e "$1" ] || { echo "$1 is missing"; return 1; }; }
stripped() { ! readelf -S -W "$1" | grep -Eq '\.(debug_|symtab)'; }
names_no_folder() { # of this machine: neither the one it was built in nor another prefix
    ! grep -rlF -e "$PWD" -e /usr/local "$1"
}
links_only() { # nothing but the C library: the rest is loaded when needed
    ! readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -Ev '^(libc|libm|ld-linux[-a-z0-9]*)\.so'
}

# A picture of 8 x 6 pixels: a header and its samples.
picture() { { printf 'P6\n8 6\n255\n'; seq -s '' -f '%03g' 0 47; } >"$1"; }
upscales() { # with the best shipped network, found in the unpacked tree
    picture "$work/in.ppm" && cd "$work" && env -u FM_MODELS XDG_CACHE_HOME="$work" "$root/usr/bin/framemill" upscale in.ppm out.png --strict -v &&
        vipsheader out.png | grep -q '16x12 uchar, 3 bands'
}
finds_models() { env -u FM_MODELS XDG_CACHE_HOME="$work" "$root/usr/bin/framemill" models list > "$work/list" && grep -q "lanczos2x" "$work/list" && grep -q "rt105" "$work/list"; }

rm -f "$folder"/framemill_*.deb "$folder"/libframemill-dev_*.deb
try "the packages are made" make_packages "$folder"
main=$(find "$folder" -maxdepth 1 -name 'framemill_*.deb') dev=$(find "$folder" -maxdepth 1 -name 'libframemill-dev_*.deb')
if [ ! -f "$main" ] || [ ! -f "$dev" ]; then
    echo "$passed passed, $((failed + 1)) failed, 0 skipped"
    exit 1
fi
try "made twice they are the same" same_again
root=$work/root
for deb in "$main" "$dev"; do
    name=$(field "$deb" Package)
    name=${name% } tree=$work/$name
    try "$name unpacks" dpkg-deb -x "$deb" "$tree"
    dpkg-deb -x "$deb" "$root"
    try "$name: files lie in /usr" only_usr "$deb"
    try "$name: files belong to root" owned_by_root "$deb"
    try "$name: modes" modes "$deb"
    try "$name: checksums of all files" sums "$(realpath "$deb")" "$tree"
    try "$name: its size is said" size_is_near "$deb" "$tree"
    try "$name: version" field_is "$deb" Version "^$("$build/framemill" --version | cut -d ' ' -f 2) \$"
    try "$name: architecture" field_is "$deb" Architecture "^$(dpkg --print-architecture) \$"
    try "$name: maintainer" field_is "$deb" Maintainer '^.+ <.+@.+> $'
    try "$name: section" field_is "$deb" Section '^(graphics|libdevel) $'
    try "$name: description" field_is "$deb" Description '^[a-z].{10,80}  '
    try "$name: licence" grep -q "THE SOFTWARE IS PROVIDED" "$tree/usr/share/doc/$name/copyright"
    try "$name: changes" gzip -t "$tree/usr/share/doc/$name/changelog.gz"
done
try "framemill needs the C library" field_is "$main" Depends 'libc6'
try "framemill needs libvips, which it is not linked to" field_is "$main" Depends 'libvips42'
try "framemill recommends libcurl" field_is "$main" Recommends 'libcurl4'
try "framemill recommends FFmpeg's libraries" field_is "$main" Recommends 'libavformat[0-9]+, libavcodec[0-9]+'
try "libframemill-dev needs the library of its version" field_is "$dev" Depends '^framemill \(= [0-9.]+\)'
try "the program is stripped" stripped "$root/usr/bin/framemill"
try "the library is stripped" stripped "$(find "$root" -name 'libframemill.so.*.*')"
try "the program is linked to the C library only" links_only "$root/usr/bin/framemill"
try "the library is linked to the C library only" links_only "$(find "$root" -name 'libframemill.so.*.*')"
for file in share/man/man1/framemill.1.gz share/framemill/models/lanczos2x.onnx include/framemill/framemill.h; do
    try "$file is there" has "$root/usr/$file"
done
try "no file names a folder of this machine" names_no_folder "$root/usr"
try "pkg-config is told /usr" grep -qx "prefix=/usr" "$(find "$root" -name framemill.pc)"
try "libframemill.so leads to a library that is there" has "$(find "$root" -name libframemill.so)"
try "the shared library's name leads to it" has "$(find "$root" -name 'libframemill.so.?')"
try "the program starts" "$root/usr/bin/framemill" --version
try "the program finds its networks" finds_models
if command -v vipsheader >/dev/null; then
    try "the program enlarges a picture" upscales
else
    skipped=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
