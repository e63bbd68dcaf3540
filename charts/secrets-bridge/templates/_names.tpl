{{/* Names and labels. */}}

{{- define "secrets-bridge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "secrets-bridge.fullname" -}}
{{- $name := include "secrets-bridge.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "secrets-bridge.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "secrets-bridge.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "secrets-bridge.selector" -}}
app.kubernetes.io/name: {{ include "secrets-bridge.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "secrets-bridge.labels" -}}
{{ include "secrets-bridge.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "secrets-bridge.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The subject of a binding. */}}
{{- define "secrets-bridge.subject" -}}
- kind: ServiceAccount
  name: {{ include "secrets-bridge.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* The lease's name, as the controller makes it up where none is given: with a digest of the namespaces and the selector. */}}
{{- define "secrets-bridge.leaseName" -}}
{{- $namespaces := .Values.controller.watchNamespaces | uniq | sortAlpha | join "," }}
{{- if .Values.leaderElection.leaseName }}
{{- .Values.leaderElection.leaseName }}
{{- else if or $namespaces .Values.controller.labelSelector }}
{{- printf "secrets-bridge-%s" (printf "%s\n%s" $namespaces .Values.controller.labelSelector | sha256sum | trunc 10) }}
{{- else }}
{{- "secrets-bridge" }}
{{- end }}
{{- end }}
