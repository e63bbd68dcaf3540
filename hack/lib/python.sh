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
