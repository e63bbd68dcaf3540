# Allows wrapping for the namespace payments alone, in the scopes strict and namespace.
path "transit/datakey/plaintext/sb-wrap" {
  capabilities = ["update"]
  required_parameters = ["context"]
  allowed_parameters = {
    "bits" = []
    "context" = [
      "c2VjcmV0cy1icmlkZ2UvdjEAbmFtZXNwYWNlAHBheW1lbnRzAA==",
      "c2VjcmV0cy1icmlkZ2UvdjEAc3RyaWN0AHBheW1lbnRzAD*",
      "c2VjcmV0cy1icmlkZ2UvdjEAc3RyaWN0AHBheW1lbnRzAG*",
      "c2VjcmV0cy1icmlkZ2UvdjEAc3RyaWN0AHBheW1lbnRzAH*",
    ]
  }
}

# Wraps an existing data key for this key as a second recipient.
path "transit/encrypt/sb-wrap" {
  capabilities = ["update"]
  required_parameters = ["context"]
  allowed_parameters = {
    "plaintext" = []
    "context" = [
      "c2VjcmV0cy1icmlkZ2UvdjEAbmFtZXNwYWNlAHBheW1lbnRzAA==",
      "c2VjcmV0cy1icmlkZ2UvdjEAc3RyaWN0AHBheW1lbnRzAD*",
      "c2VjcmV0cy1icmlkZ2UvdjEAc3RyaWN0AHBheW1lbnRzAG*",
      "c2VjcmV0cy1icmlkZ2UvdjEAc3RyaWN0AHBheW1lbnRzAH*",
    ]
  }
}
