#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# WebGPU on machines without a GPU: Dawn for Node (npm) on Mesa's software Vulkan driver, into folders that git ignores.
#
#     tools/soft_gpu.sh install    brings what is missing
#     tools/soft_gpu.sh env        prints the variables for a process that is to use it; fails when something is missing
#
# Dawn wants a newer Mesa than Debian 12's for shader-f16: its driver is taken out of the package of bookworm-backports, which is not
# installed. A machine's own driver is used instead when FM_GPU=own.
set -eu
cd "$(dirname "$0")/.."
folder=$PWD/build-gpu
driver=$folder/mesa/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so
modules=$folder/node_modules
webgpu=0.6

install_driver() {
    local sources=$folder/apt options packages
    command -v apt-get >/dev/null || { echo "soft_gpu: the driver comes from a Debian package" >&2; return 1; }
    mkdir -p "$sources/parts" "$sources/lists/partial" "$folder/mesa"
    # the same mirror as the machine's own lists, another suite
    sed -n '/^URIs:/p;/^Signed-By:/p' /etc/apt/sources.list.d/debian.sources | head -n 2 >"$sources/from"
    { echo "Types: deb"; echo "Suites: bookworm-backports"; echo "Components: main"; cat "$sources/from"; } >"$sources/parts/backports.sources"
    options=(-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$sources/parts" -o Dir::State::Lists="$sources/lists" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update -qq
    (cd "$sources" && apt-get "${options[@]}" download -qq mesa-vulkan-drivers >/dev/null)
    packages=("$sources"/mesa-vulkan-drivers_*.deb)
    dpkg -x "${packages[0]}" "$folder/mesa"
    rm -f "${packages[@]}"
    if ldd "$driver" | grep -q "not found"; then
        ldd "$driver" | grep "not found" >&2
        echo "soft_gpu: install mesa-vulkan-drivers for what the driver needs" >&2
        return 1
    fi
}

write_manifest() {
    printf '{"ICD":{"api_version":"1.4.0","library_path":"%s"},"file_format_version":"1.0.0"}\n' "$driver" >"$folder/driver.json"
}

case ${1:-} in
install)
    mkdir -p "$folder"
    [ "${FM_GPU:-}" = own ] || [ -f "$driver" ] || install_driver
    [ -d "$modules/webgpu" ] || npm install --no-save --silent --no-fund --no-audit --prefix "$folder" "webgpu@$webgpu"
    ;;
env)
    [ -d "$modules/webgpu" ] && command -v node >/dev/null
    echo "NODE_MODULES=$modules"
    if [ "${FM_GPU:-}" != own ]; then
        [ -f "$driver" ]
        write_manifest
        echo "VK_DRIVER_FILES=$folder/driver.json"
        echo "VK_ICD_FILENAMES=$folder/driver.json"
    fi
    echo "XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp}"
    ;;
*)
    sed -n '3,9p' "$0" >&2
    exit 2
    ;;
esac
