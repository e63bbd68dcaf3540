# Developers and CI: wrap Secrets that they cannot read back. They see the data keys of what they wrap themselves;
# that is why a data key never encrypts twice. For all namespaces: hack/developer-policy prints a policy for one of them.
path "transit/datakey/plaintext/sb-wrap" {
  capabilities = ["update"]
}

# To wrap an existing data key for this key as a second recipient.
path "transit/encrypt/sb-wrap" {
  capabilities = ["update"]
}
