#!/bin/sh
# SPDX-License-Identifier: MIT
# A library shows exactly the functions that the public headers declare. Usage: tools/check_exports.sh LIBRARY...
[ $# -gt 0 ] || { echo "usage: tools/check_exports.sh LIBRARY..." >&2; exit 2; }
headers=$(dirname "$0")/../include/framemill
passed=0 failed=0
declared=$(cat "$headers"/*.h | tr '\n' ' ' | grep -o 'FM_API [^;(]*(' | grep -o 'fm_[a-z0-9_]*($' | tr -d '(' | sort)
for library in "$@"; do
    case $library in *.a) which=-g ;; *) which=-D ;; esac
    exported=$(nm "$which" --defined-only "$library" | awk 'NF == 3 { print $3 }' | sort)
    [ -n "$exported" ] || { echo "$library exports nothing"; failed=$((failed + 1)); }
    for name in $exported; do
        if echo "$declared" | grep -qx "$name"; then
            passed=$((passed + 1))
        else
            echo "$library exports $name, which no public header declares"
            failed=$((failed + 1))
        fi
    done
    for name in $declared; do
        echo "$exported" | grep -qx "$name" && continue
        echo "$library lacks $name, which a public header declares"
        failed=$((failed + 1))
    done
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
