# Sourced by the commands of tools/: the Debian packages that the build needs, and the build.

# Installs what is missing, with sudo where this is not root; silent where nothing is. Elsewhere than on Debian and its
# descendants it only says what must be there. The first argument is the name of the command, for its messages.
install_packages() {
    local command="$1" needed=(libopenblas-dev libzstd-dev) missing=() package
    if ! command -v dpkg-query > /dev/null; then
        echo "not a Debian system: the development files of OpenBLAS and zstd must already be installed"
        return
    fi
    for package in "${needed[@]}"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null || true)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo > /dev/null; then
            echo "$command: the packages ${missing[*]} are missing, and this is neither root nor is sudo installed." >&2
            echo "Ask an administrator to run: apt-get install ${missing[*]}" >&2
            return 1
        fi
        root=(sudo)
    fi
    echo "installing ${missing[*]}"
    "${root[@]}" apt-get update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# `swift build -c release` with further arguments. One remark a module says that its whole-module setting is meant;
# everything else is shown.
build_release() {
    swift build -c release "$@" 2>&1 | { grep --line-buffered -v '^remark: ' || true; }
}
