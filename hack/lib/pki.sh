# Creates certificates and kubeconfigs for a local control plane. Sourced.

# make_pki FOLDER: creates a CA, certificates (EC P-256) for the API server, an administrator and the controller manager,
# and the key (RSA, as kubeadm has it) that signs service-account tokens.
make_pki() (
    umask 077
    mkdir -p "$1"
    cd "$1" || exit
    ec=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256)
    leaf() { # name subject usage [names]
        openssl req -new "${ec[@]}" -keyout "$1.key" -out "$1.csr" -subj "$2"
        printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n%s\n' "$3" "${4:+subjectAltName=$4}" >"$1.ext"
        openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -sha256 -extfile "$1.ext" -out "$1.crt"
        rm "$1.csr" "$1.ext"
    }
    {
        openssl req -x509 "${ec[@]}" -keyout ca.key -out ca.crt -days 365 -subj /CN=secrets-bridge-test-ca \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,digitalSignature
        leaf apiserver /CN=kube-apiserver serverAuth \
            IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
        leaf admin /O=system:masters/CN=admin clientAuth
        leaf controller-manager /CN=system:kube-controller-manager clientAuth
        openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out service-accounts.key
        openssl pkey -in service-accounts.key -pubout -out service-accounts.pub
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
