{{/* Reports all missing and contradictory values at once, before anything is rendered. */}}

{{- define "secrets-bridge.checks" -}}
{{- $problems := list }}
{{- if include "secrets-bridge.hasVault" . }}
  {{- if not .Values.vault.address }}
    {{- $problems = append $problems "vault.address is not set. It is the address of Vault or OpenBao: --set vault.address=https://vault.example.com:8200" }}
  {{- end }}
  {{- if not .Values.vault.key }}
    {{- $problems = append $problems "vault.key is not set. It is the name of the transit key: --set vault.key=sb-wrap" }}
  {{- end }}
  {{- if and (include "secrets-bridge.hasVaultToken" .) (eq .Values.vault.auth "kubernetes") (not .Values.vault.role) }}
    {{- $problems = append $problems "vault.role is not set. It is the role of Vault's Kubernetes auth: --set vault.role=secrets-bridge" }}
  {{- end }}
  {{- if and .Values.vault.ca.configMap .Values.vault.ca.secret }}
    {{- $problems = append $problems "vault.ca.configMap and vault.ca.secret are both set: set one of them" }}
  {{- end }}
{{- end }}
{{- if and (include "secrets-bridge.hasAWS" .) (not .Values.aws.keyID) }}
  {{- $problems = append $problems "aws.keyID is not set. It is the key's ARN, id or alias: --set aws.keyID=arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }}
{{- end }}
{{- if and (include "secrets-bridge.hasGCP" .) (not .Values.gcp.key) }}
  {{- $problems = append $problems "gcp.key is not set. It is the resource name of the key: --set gcp.key=projects/example/locations/europe-west1/keyRings/secrets-bridge/cryptoKeys/sb-wrap" }}
{{- end }}
{{- if include "secrets-bridge.hasAzure" . }}
  {{- if not .Values.azure.vaultURL }}
    {{- $problems = append $problems "azure.vaultURL is not set. It is the address of the vault: --set azure.vaultURL=https://example.vault.azure.net" }}
  {{- end }}
  {{- if not .Values.azure.key }}
    {{- $problems = append $problems "azure.key is not set. It is the name of the key: --set azure.key=sb-wrap" }}
  {{- end }}
{{- end }}
{{- if and (include "secrets-bridge.hasLocal" .) (not .Values.devProfile) }}
  {{- $problems = append $problems "backend: local keeps its master key in the cluster and is for development. Use vault-transit, aws-kms, gcp-kms or azure-key-vault, or say --set devProfile=true" }}
{{- end }}
{{- if and (not .Values.leaderElection.enabled) (gt (int .Values.replicas) 1) }}
  {{- $problems = append $problems "leaderElection.enabled is false and replicas is more than 1: every replica would write. Set replicas=1, or leave leader election on" }}
{{- end }}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled }}
  {{- $problems = append $problems "metrics.podMonitor and metrics.serviceMonitor are both on: everything would be scraped twice. Use one of them" }}
{{- end }}
{{- if and (or .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled) .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) }}
  {{- $problems = append $problems "a monitor is on, but networkPolicy.metricsFrom is empty: Prometheus could not reach the metrics. Set networkPolicy.metricsFrom to where Prometheus runs, as in a NetworkPolicy's \"from\": [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]" }}
{{- end }}
{{- if $problems }}
  {{- fail (printf "\n\nsecrets-bridge cannot be installed like this:\n  - %s\n" (join "\n  - " $problems)) }}
{{- end }}
{{- end }}
