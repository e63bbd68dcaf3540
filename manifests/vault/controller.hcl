# The controller: unwraps data keys, and nothing else. "update" and never "create": with "create", a mistyped key
# name makes a new key instead of an error.
path "transit/decrypt/sb-wrap" {
  capabilities = ["update"]
}
