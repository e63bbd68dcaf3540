# Creates certificates and kubeconfigs for a local control plane. Sourced.

readonly EC=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256)

# leaf CA NAME SUBJECT USAGE [NAMES]: creates NAME.key and NAME.crt in the working folder, signed by CA. Prints openssl's messages.
leaf() {
    openssl req -new "${EC[@]}" -keyout "$2.key" -out "$2.csr" -subj "$3"
    printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n%s\n' "$4" "${5:+subjectAltName=$5}" >"$2.ext"
    openssl x509 -req -in "$2.csr" -CA "$1.crt" -CAkey "$1.key" -CAcreateserial -days 365 -sha256 -extfile "$2.ext" -out "$2.crt"
    rm "$2.csr" "$2.ext"
}

# authority NAME SUBJECT: creates a CA in the working folder.
authority() {
    openssl req -x509 "${EC[@]}" -keyout "$1.key" -out "$1.crt" -days 365 -subj "$2" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,digitalSignature
}

# make_pki FOLDER: creates a CA, certificates (EC P-256) for the API server, an administrator and the controller manager,
# and the key (RSA, as kubeadm has it) that signs service-account tokens.
make_pki() (
    umask 077
    mkdir -p "$1"
    cd "$1" || exit
    {
        authority ca /CN=secrets-bridge-test-ca
        leaf ca apiserver /CN=kube-apiserver serverAuth \
            IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
        leaf ca admin /O=system:masters/CN=admin clientAuth
        leaf ca controller-manager /CN=system:kube-controller-manager clientAuth
        openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out service-accounts.key
        openssl pkey -in service-accounts.key -pubout -out service-accounts.pub
    } 2>openssl.log || { cat openssl.log >&2; exit 1; }
)

# make_crd_server_pki FOLDER: adds the certificates for the API server of custom resources: those with which it serves and calls
# the other server, and those with which the other server forwards requests in the name of users.
make_crd_server_pki() (
    umask 077
    cd "$1" || exit
    {
        leaf ca crd-server /CN=crd-server serverAuth DNS:apiextensions.kube-system.svc,IP:127.0.0.1
        leaf ca crd-server-client /O=system:masters/CN=crd-server clientAuth
        authority front-proxy-ca /CN=front-proxy-ca
        leaf front-proxy-ca front-proxy-client /CN=front-proxy-client clientAuth
    } 2>openssl.log || { cat openssl.log >&2; exit 1; }
)

# kubeconfig_with SERVER CA USER: prints a kubeconfig; USER is the YAML mapping of the user.
kubeconfig_with() {
    cat <<KUBECONFIG
apiVersion: v1
kind: Config
current-context: local
contexts:
- {name: local, context: {cluster: local, user: local}}
clusters:
- {name: local, cluster: {server: "$1", certificate-authority-data: $(base64 -w0 <"$2")}}
users:
- {name: local, user: {$3}}
KUBECONFIG
}

# certificate_user FOLDER NAME: prints the USER for kubeconfig_with, with a client certificate.
certificate_user() {
    printf 'client-certificate-data: %s, client-key-data: %s' "$(base64 -w0 <"$1/$2.crt")" "$(base64 -w0 <"$1/$2.key")"
}
