# Rotation: moves wrapped keys to the newest version of the key. Vault does it inside: nobody sees a data key.
path "transit/rewrap/sb-wrap" {
  capabilities = ["update"]
}
