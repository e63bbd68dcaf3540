# What a release is made of. Sourced, after output.sh, in the repository.

# release_arch: this machine's architecture, by its name in releases.
release_arch() {
    case $(uname -m) in
        x86_64) echo amd64 ;;
        aarch64) echo arm64 ;;
        *) die "releases are for amd64 and arm64; this machine is $(uname -m)" ;;
    esac
}

release_version() { sed -n 's/.*static let version = "\(.*\)"/\1/p' Sources/SecretsBridge/SecretsBridge.swift; }

# release_epoch: the time that files have: the commit's, so that two runs give the same bytes.
release_epoch() { printf '%s\n' "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"; }

# release_build: prints the program's path: optimised, stripped, with Swift's runtime linked in.
release_build() {
    local options=(-c release --static-swift-stdlib -Xlinker -s)
    say "swift build -c release (10 minutes the first time)"
    swift build "${options[@]}" --product secrets-bridge >&2 || die "the build failed"
    printf '%s/secrets-bridge\n' "$(swift build "${options[@]}" --show-bin-path)"
}
