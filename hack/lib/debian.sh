# Reads Debian's archive with apt's own checks; the machine's apt configuration stays untouched.
# Sourced, after common.sh.

# Runs a command as root.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root and there is no sudo: run as root: $*"
    fi
}

# install_packages PACKAGE...: installs missing packages; needs neither network nor root if none is missing.
install_packages() {
    local missing=() package installed
    command -v apt-get >/dev/null && command -v dpkg-query >/dev/null \
        || die "this script installs packages with apt-get (Debian, Ubuntu); install these by hand and run again: $*"
    # One process for all packages: each reads the whole database.
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p') || true
    for package in "$@"; do
        grep -qxF "$package" <<<"$installed" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    log "   installing with apt-get: ${missing[*]}"
    as_root apt-get -qq update >&2 || log "   apt-get update failed; trying with the existing package lists"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends \
        "${missing[@]}" >&2 || die "apt-get could not install: ${missing[*]}"
}

# Prints the address of a Debian mirror: $SB_DEBIAN_MIRROR, else this machine's, else (Ubuntu) that of the package
# python-apt-common.
debian_mirror() {
    local mirror=${SB_DEBIAN_MIRROR:-}
    [ -n "$mirror" ] || mirror=$(debian_mirror_of_this_machine)
    if [ -z "$mirror" ] && grep -q '^ID=debian' /etc/os-release; then # a machine that was never updated
        as_root apt-get -qq update >&2 || true
        mirror=$(debian_mirror_of_this_machine)
    fi
    if [ -z "$mirror" ]; then
        install_packages python-apt-common
        mirror=$(sed -nE 's#^BaseURI: *(https?://.*/debian/?)$#\1#p' /usr/share/python-apt/templates/[Dd]ebian.info | sed -n 1p)
    fi
    [ -n "$mirror" ] || die "no Debian mirror found: set SB_DEBIAN_MIRROR to the address of one (https://www.debian.org/mirror/list)"
    printf '%s\n' "$mirror"
}

debian_mirror_of_this_machine() {
    apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | sed -nE '\#^https?://.*/debian/?$#p' | sed -n 1p || true
}

# debian_apt FOLDER SUITE: prepares a private apt in FOLDER for that suite of Debian and sets its options in the
# array DEBIAN_APT. It does not use the machine's sources, lists and installed packages.
debian_apt() {
    local folder=$1 suite=$2 mirror
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -f "$keyring" ] || install_packages debian-archive-keyring
    mirror=$(debian_mirror)
    mkdir -p "$folder"/{parts,preferences,lists/partial,cache/archives/partial}
    : >"$folder/status"
    cat >"$folder/parts/debian.sources" <<SOURCES
Types: deb deb-src
URIs: $mirror
Suites: $suite
Components: main
Signed-By: $keyring
SOURCES
    DEBIAN_APT=(-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$folder/parts"
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts="$folder/preferences"
        -o Dir::State::lists="$folder/lists" -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache"
        -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=3)
    apt-get -qq "${DEBIAN_APT[@]}" update >&2 || die "cannot read Debian $suite from $mirror: check the network"
}

# debian_program SUITE PACKAGE PATH TARGET: extracts one file of a Debian package to TARGET, without installing it.
debian_program() {
    local suite=$1 package=$2 path=$3 target=$4 scratch
    scratch=$(mktemp -d "$(dirname "$target")/.download.XXXXXX")
    debian_apt "$scratch/apt" "$suite"
    (cd "$scratch" && apt-get -qq "${DEBIAN_APT[@]}" download "$package" >&2) \
        || die "cannot download $package from Debian $suite"
    dpkg-deb -x "$scratch/$package"_*.deb "$scratch/unpacked"
    mv "$scratch/unpacked/$path" "$target"
    rm -rf "$scratch"
}
