# Rotation rewraps data keys under the newest version of the key, inside Vault: no data key leaves it.
path "transit/rewrap/sb-wrap" {
  capabilities = ["update"]
}
