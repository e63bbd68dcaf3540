# Developers and CI wrap Secrets that they cannot decrypt afterwards. While wrapping they hold the data key, which is why a data
# key never encrypts twice. This policy is for all namespaces; hack/developer-policy prints one for a single namespace.
path "transit/datakey/plaintext/sb-wrap" {
  capabilities = ["update"]
}

# Wraps an existing data key for this key as a second recipient.
path "transit/encrypt/sb-wrap" {
  capabilities = ["update"]
}
