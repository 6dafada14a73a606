#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a static library whose only global names are the public ones: all objects become one, in which hidden names are local.
# Usage: tools/hide_internals.sh LINKER OBJCOPY AR IN.a OUT.a
set -eu
linker=$1 objcopy=$2 ar=$3 in=$4 out=$5
"$linker" -r --whole-archive "$in" -o "$out.o"
"$objcopy" --localize-hidden "$out.o"
rm -f "$out"
"$ar" rcs "$out" "$out.o"
rm -f "$out.o"
