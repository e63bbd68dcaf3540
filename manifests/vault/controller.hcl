# The controller unwraps data keys, and nothing else. "update" without "create", because "create" would turn a mistyped key name
# into a new key instead of an error.
path "transit/decrypt/sb-wrap" {
  capabilities = ["update"]
}
