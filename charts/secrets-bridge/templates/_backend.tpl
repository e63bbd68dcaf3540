{{/* The environment, volumes and volume mounts of each backend. */}}

{{- define "secrets-bridge.hasVault" -}}
{{- if has "vault-transit" (splitList "," .Values.backend) }}true{{ end }}
{{- end }}

{{- define "secrets-bridge.hasAWS" -}}
{{- if has "aws-kms" (splitList "," .Values.backend) }}true{{ end }}
{{- end }}

{{- define "secrets-bridge.hasGCP" -}}
{{- if has "gcp-kms" (splitList "," .Values.backend) }}true{{ end }}
{{- end }}

{{/* True if the controller exchanges a token of its service account at Google's token service. */}}
{{- define "secrets-bridge.hasGCPToken" -}}
{{- if and (include "secrets-bridge.hasGCP" .) .Values.gcp.workloadIdentityProvider }}true{{ end }}
{{- end }}

{{- define "secrets-bridge.hasAzure" -}}
{{- if has "azure-key-vault" (splitList "," .Values.backend) }}true{{ end }}
{{- end }}

{{- define "secrets-bridge.hasLocal" -}}
{{- if has "local" (splitList "," .Values.backend) }}true{{ end }}
{{- end }}

{{/* True if the controller logs in to Vault with a token of its service account. */}}
{{- define "secrets-bridge.hasVaultToken" -}}
{{- if and (include "secrets-bridge.hasVault" .) (has .Values.vault.auth (list "kubernetes" "jwt")) }}true{{ end }}
{{- end }}

{{- define "secrets-bridge.hasVaultCA" -}}
{{- if and (include "secrets-bridge.hasVault" .) (or .Values.vault.ca.configMap .Values.vault.ca.secret) }}true{{ end }}
{{- end }}

{{/* Renders a dictionary of environment variables without the empty ones. */}}
{{- define "secrets-bridge.variables" -}}
{{- range $name, $value := . }}
{{- if $value }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "secrets-bridge.backendEnvironment" -}}
{{- $variables := dict "SB_KMS_BACKEND" .Values.backend "SB_ENV" (ternary "dev" "" .Values.devProfile) }}
{{- with .Values.vault }}
{{- if include "secrets-bridge.hasVault" $ }}
{{- $variables = merge $variables (dict
      "SB_KMS_VAULT_ADDR" .address
      "SB_KMS_VAULT_KEY" .key
      "SB_KMS_VAULT_KEYS_PREVIOUS" (join "," .previousKeys)
      "SB_KMS_VAULT_MOUNT" .mount
      "SB_KMS_VAULT_NAME" .name
      "SB_KMS_VAULT_NAMESPACE" .namespace
      "SB_KMS_VAULT_AUTH" .auth
      "SB_KMS_VAULT_AUTH_MOUNT" .authMount) }}
{{- end }}
{{- if include "secrets-bridge.hasVaultToken" $ }}
{{- $variables = merge $variables (dict
      "SB_KMS_VAULT_ROLE" .role
      (ternary "SB_KMS_VAULT_JWT_FILE" "SB_KMS_VAULT_SA_TOKEN_FILE" (eq .auth "jwt")) "/var/run/secrets/vault/token") }}
{{- end }}
{{- if include "secrets-bridge.hasVaultCA" $ }}
{{- $variables = set $variables "SB_KMS_VAULT_CACERT" (printf "/etc/secrets-bridge/vault-ca/%s" .ca.key) }}
{{- end }}
{{- end }}
{{- if include "secrets-bridge.hasAWS" . }}
{{- $variables = merge $variables (dict
      "SB_KMS_AWS_KEY_ID" .Values.aws.keyID
      "SB_KMS_AWS_REGION" .Values.aws.region
      "SB_KMS_AWS_ENDPOINT" .Values.aws.endpoint) }}
{{- end }}
{{- if include "secrets-bridge.hasGCP" . }}
{{- $variables = merge $variables (dict
      "SB_KMS_GCP_KEY" .Values.gcp.key
      "SB_KMS_GCP_KEYS_PREVIOUS" (join "," .Values.gcp.previousKeys)
      "SB_KMS_GCP_ENDPOINT" .Values.gcp.endpoint) }}
{{- end }}
{{- if include "secrets-bridge.hasGCPToken" . }}
{{- $variables = set $variables "GOOGLE_APPLICATION_CREDENTIALS" "/var/run/secrets/gcp/credentials.json" }}
{{- end }}
{{- if include "secrets-bridge.hasAzure" . }}
{{- $variables = merge $variables (dict
      "SB_KMS_AZURE_VAULT_URL" .Values.azure.vaultURL
      "SB_KMS_AZURE_KEY" .Values.azure.key
      "SB_KMS_AZURE_KEYS_PREVIOUS" (join "," .Values.azure.previousKeys)
      "SB_KMS_AZURE_KEY_VERSION" .Values.azure.keyVersion) }}
{{- end }}
{{- if include "secrets-bridge.hasLocal" . }}
{{- $variables = set $variables "SB_WRAP_MASTER_KEY_FILE" (printf "/etc/secrets-bridge/local/%s" .Values.local.key) }}
{{- end }}
{{- include "secrets-bridge.variables" $variables }}
{{- end }}

{{- define "secrets-bridge.backendMounts" -}}
{{- if include "secrets-bridge.hasVaultToken" . }}
- name: vault-token
  mountPath: /var/run/secrets/vault
  readOnly: true
{{- end }}
{{- if include "secrets-bridge.hasVaultCA" . }}
- name: vault-ca
  mountPath: /etc/secrets-bridge/vault-ca
  readOnly: true
{{- end }}
{{- if include "secrets-bridge.hasGCPToken" . }}
- name: gcp-credentials
  mountPath: /var/run/secrets/gcp
  readOnly: true
{{- end }}
{{- if include "secrets-bridge.hasLocal" . }}
- name: local-key
  mountPath: /etc/secrets-bridge/local
  readOnly: true
{{- end }}
{{- end }}

{{- define "secrets-bridge.backendVolumes" -}}
{{- if include "secrets-bridge.hasVaultToken" . }}
- name: vault-token
  projected:
    sources:
      - serviceAccountToken:
          path: token
          audience: {{ .Values.vault.audience }}
          expirationSeconds: {{ .Values.vault.tokenExpirationSeconds }}
{{- end }}
{{- if include "secrets-bridge.hasVaultCA" . }}
- name: vault-ca
  {{- if .Values.vault.ca.secret }}
  secret:
    secretName: {{ .Values.vault.ca.secret }}
  {{- else }}
  configMap:
    name: {{ .Values.vault.ca.configMap }}
  {{- end }}
{{- end }}
{{- if include "secrets-bridge.hasGCPToken" . }}
- name: gcp-credentials
  projected:
    sources:
      - serviceAccountToken:
          path: token
          audience: {{ default (printf "https://iam.googleapis.com/%s" .Values.gcp.workloadIdentityProvider) .Values.gcp.audience }}
          expirationSeconds: {{ .Values.gcp.tokenExpirationSeconds }}
      - configMap:
          name: {{ include "secrets-bridge.fullname" . }}-gcp
          items:
            - key: credentials.json
              path: credentials.json
{{- end }}
{{- if include "secrets-bridge.hasLocal" . }}
- name: local-key
  secret:
    secretName: {{ .Values.local.secret }}
{{- end }}
{{- end }}

{{/* The annotations by which a cloud gives the service account an identity. */}}
{{- define "secrets-bridge.identityAnnotations" -}}
{{- $annotations := dict }}
{{- if and (include "secrets-bridge.hasAWS" .) .Values.aws.roleARN }}
{{- $annotations = set $annotations "eks.amazonaws.com/role-arn" .Values.aws.roleARN }}
{{- end }}
{{- if and (include "secrets-bridge.hasGCP" .) .Values.gcp.serviceAccount (not (include "secrets-bridge.hasGCPToken" .)) }}
{{- $annotations = set $annotations "iam.gke.io/gcp-service-account" .Values.gcp.serviceAccount }}
{{- end }}
{{- if and (include "secrets-bridge.hasAzure" .) .Values.azure.clientID }}
{{- $annotations = set $annotations "azure.workload.identity/client-id" .Values.azure.clientID }}
{{- with .Values.azure.tenantID }}
{{- $annotations = set $annotations "azure.workload.identity/tenant-id" . }}
{{- end }}
{{- end }}
{{- toYaml $annotations }}
{{- end }}

{{/* The label by which the webhook of Microsoft Entra Workload ID finds the pods. */}}
{{- define "secrets-bridge.identityLabels" -}}
{{- if and (include "secrets-bridge.hasAzure" .) .Values.azure.clientID }}
azure.workload.identity/use: "true"
{{- end }}
{{- end }}
