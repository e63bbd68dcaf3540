# Python with the packages that tests and downloads need, in a folder of its own. Sourced, after output.sh.

# python_venv CACHE: prints the folder of a virtual environment, made if it is missing or broken.
# Its packages are the caller's business. The caller holds the cache's lock.
python_venv() {
    local venv=$1/venv python
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        for python in python3 /usr/bin/python3 ""; do
            [ -n "$python" ] || die "python3 with venv is missing: run hack/setup"
            "$python" -c 'import ensurepip, venv' 2>/dev/null && break
        done
        rm -rf "$venv"
        "$python" -m venv "$venv" >&2
    fi
    printf '%s\n' "$venv"
}

# pip_download CACHE PACKAGE FOLDER: puts the wheel of a package of hack/downloads.txt into FOLDER; its hash is checked.
# The caller holds the cache's lock.
pip_download() {
    local venv requirement
    venv=$(python_venv "$1")
    requirement=$(mktemp)
    awk -v package="$2==" 'index($0, package) == 1 { found = 1 } found { print } found && !/\\$/ { exit }' hack/downloads.txt >"$requirement"
    [ -s "$requirement" ] || die "hack/downloads.txt does not have $2"
    "$venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --dest "$3" --requirement "$requirement" >&2 || { rm "$requirement"; return 1; }
    rm "$requirement"
}

# The version that hack/downloads.txt has of a package.
download_version() { sed -n "s/^$1==\([^ ]*\).*/\1/p" hack/downloads.txt; }
