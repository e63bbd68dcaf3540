# Builds for a release. Sourced, after common.sh, in the repository.

# release_arch: prints this machine's architecture by its name in releases.
release_arch() {
    case $(uname -m) in
        x86_64) echo amd64 ;;
        aarch64) echo arm64 ;;
        *) die "releases are for amd64 and arm64; this machine is $(uname -m)" ;;
    esac
}

release_version() { sed -n 's/.*static let version = "\(.*\)"/\1/p' Sources/SecretsBridge/SecretsBridge.swift; }

# release_epoch: prints the commit's time, which all files get, so that two runs write the same bytes.
release_epoch() { printf '%s\n' "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"; }

# release_revision: prints the commit, with -dirty if files differ from it.
release_revision() {
    local revision
    revision=$(git rev-parse HEAD 2>/dev/null) || { echo unknown; return; }
    [ -z "$(git status --porcelain --untracked-files=no)" ] || revision+=-dirty
    printf '%s\n' "$revision"
}

# release_build: builds the program, optimised, with Swift's runtime linked in, and prints its path. Without debug information,
# which would have the path of this folder, and without the compiler's hashes of each module, which depend on it, too.
# $SB_PACKAGE_RESOLVED names a Package.resolved with the revisions to build, one for all architectures of a release.
release_build() {
    local options=(-c release --static-swift-stdlib -debug-info-format none -Xlinker -s)
    if [ -n "${SB_PACKAGE_RESOLVED:-}" ]; then
        [ -f "$SB_PACKAGE_RESOLVED" ] || die "SB_PACKAGE_RESOLVED=$SB_PACKAGE_RESOLVED is not a file; swift package resolve writes one"
        [ "$SB_PACKAGE_RESOLVED" -ef Package.resolved ] || cp "$SB_PACKAGE_RESOLVED" Package.resolved
        options+=(--force-resolved-versions)
    fi
    log "swift build -c release (10 minutes the first time)"
    swift build "${options[@]}" --product secrets-bridge >&2 || die "the build failed"
    local program
    program=$(swift build "${options[@]}" --show-bin-path)/secrets-bridge
    # The linker's build id is computed with these hashes.
    objcopy --remove-section=.swift_modhash --remove-section=.note.gnu.build-id "$program" || die "objcopy (binutils) failed"
    printf '%s\n' "$program"
}

# Options of swift build for a folder whose later builds are builds of everything too: each module is compiled as a whole and once,
# and the index, in which SwiftPM looks for tests, leaves out the system's modules. That is two fifths less work than the default,
# which compiles only what has changed. With more than one thread, the compiler writes an object for each file, which SwiftPM expects.
readonly BUILD_ONCE=(-Xswiftc -whole-module-optimization -Xswiftc -num-threads -Xswiftc 2
    -Xswiftc -no-emit-module-separately-wmo -Xswiftc -index-ignore-system-modules)

# optimised_build PRODUCT...: builds products, optimised, and prints their folder. The folder is not that of other builds, so that
# a build, and tests of another, can run at the same time: SwiftPM lets only one run in a folder.
optimised_build() {
    local options=(-c release --scratch-path .build-optimised -debug-info-format none) product
    for product in "$@"; do swift build "${options[@]}" --product "$product" >&2 || return; done
    swift build "${options[@]}" --show-bin-path
}

# build_inputs: prints the inputs of the build beside the sources: the toolchain, the revisions of the Swift packages, and
# the version of every Debian package of this machine.
build_inputs() {
    printf 'base image: %s\n' "${SB_BASE_IMAGE:-none, this machine}"
    printf 'compiler: %s\n' "$(swift --version 2>/dev/null | sed -n '/Swift version/{p;q}')"
    python3 - <<'PYTHON'
import json

for pin in json.load(open("Package.resolved"))["pins"]:
    state = pin["state"]
    print(f"swift package: {pin['location']} {state.get('version', '-')} {state['revision']}")
PYTHON
    dpkg-query -W -f 'debian package: ${Package} ${Version} ${Architecture}\n' | LC_ALL=C sort
}
