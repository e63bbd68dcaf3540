# Builds the file system of the image. Sourced, after common.sh.

# libraries_of PROGRAM: prints the paths of its shared libraries and of the loader.
libraries_of() {
    local listing
    listing=$(ldd "$1") || die "$1 is not a program for this machine"
    [[ $listing != *'not found'* ]] || die "$1 needs libraries that are not installed:"$'\n'"$(grep 'not found' <<<"$listing")"
    sed -nE 's/^\s*(.* => )?(\/[^ ]+) \(0x[0-9a-f]+\)$/\2/p' <<<"$listing"
}

# copy_copyrights ROOT LIBRARY...: copies the copyright files of the Debian packages that these libraries come from, whose licenses
# require it. The libraries of Swift belong to no package.
copy_copyrights() {
    local root=$1 package
    shift
    {
        echo ca-certificates
        # One process for all libraries: each reads the whole database, which has some of them without /usr.
        { dpkg-query -S "$@" "${@/#//usr}" 2>/dev/null || true; } | sed 's/:.*//'
    } | sort -u | while read -r package; do
        [ -f "/usr/share/doc/$package/copyright" ] || continue
        mkdir -p "$root/usr/share/doc/$package"
        cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
    done
}

# make_image_root ROOT PROGRAM: writes the program, its license, its libraries, the CA certificates and the user nonroot to ROOT.
make_image_root() {
    local root=$1 program=$2 library libraries listing authorities=/etc/ssl/certs/ca-certificates.crt
    [ -f "$authorities" ] || die "$authorities is missing: run hack/setup"
    listing=$(libraries_of "$program")
    mkdir -p "$root"/{usr/bin,usr/share/doc/secrets-bridge,etc/ssl/certs,proc,dev}
    cp LICENSE "$root/usr/share/doc/secrets-bridge/LICENSE"
    cp "$program" "$root/usr/bin/secrets-bridge"
    while read -r library; do
        mkdir -p "$root${library%/*}"
        cp -L "$library" "$root$library"
    done <<<"$listing"
    mapfile -t libraries <<<"$listing"
    copy_copyrights "$root" "${libraries[@]}"
    cp -L "$authorities" "$root$authorities"
    printf 'root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
    # Host names: /etc/hosts, which Kubernetes writes, then DNS.
    printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
    find "$root" -type d -exec chmod 755 {} +
    find "$root" -type f -exec chmod 644 {} +
    find "$root" -type f \( -name 'secrets-bridge' -o -name '*.so*' \) -exec chmod 755 {} +
}

# in_image_root ROOT ARGUMENT...: runs secrets-bridge in that root as the image's user.
in_image_root() {
    local root=$1
    shift
    python3 hack/lib/enter_root.py "$root" 65532 65532 -- /usr/bin/secrets-bridge "$@"
}
