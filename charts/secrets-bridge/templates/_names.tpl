{{/* Names and labels. */}}

{{/*
A name of at most 63 characters that every kind of object takes, and every label as a value: lower case letters, digits and
dashes. A text that has to be cut or changed for that gets a digest of the whole text, so that texts that differ only in what is
cut stay different. Takes a list of the text and of a suffix that is never cut.
*/}}
{{- define "secrets-bridge.bounded" -}}
{{- $text := index . 0 }}
{{- $suffix := index . 1 }}
{{- $name := regexReplaceAll "[^a-z0-9-]+" (lower $text) "-" | trimAll "-" }}
{{- if or (ne $name $text) (gt (add (len $name) (len $suffix)) 63) }}
{{- $room := sub 54 (len $suffix) | int }}
{{- $name = printf "%s-%s" (trunc $room $name | trimAll "-") (sha256sum $text | trunc 8) | trimAll "-" }}
{{- end }}
{{- printf "%s%s" $name $suffix }}
{{- end }}

{{- define "secrets-bridge.name" -}}
{{- include "secrets-bridge.bounded" (list (default .Chart.Name .Values.nameOverride) "") }}
{{- end }}

{{/* The common prefix of all object names, not yet truncated. */}}
{{- define "secrets-bridge.unbounded" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name }}
{{- end }}
{{- end }}

{{- define "secrets-bridge.fullname" -}}
{{- include "secrets-bridge.bounded" (list (include "secrets-bridge.unbounded" .) "") }}
{{- end }}

{{/* The name of another object. Takes a list of the context and the suffix. */}}
{{- define "secrets-bridge.suffixed" -}}
{{- include "secrets-bridge.bounded" (list (include "secrets-bridge.unbounded" (index . 0)) (index . 1)) }}
{{- end }}

{{/* The name of a Service has to begin with a letter; that of a release may begin with a digit. */}}
{{- define "secrets-bridge.service" -}}
{{- $text := include "secrets-bridge.unbounded" . }}
{{- include "secrets-bridge.bounded" (list (ternary $text (printf "sb-%s" $text) (regexMatch "^[A-Za-z]" $text)) "-metrics") }}
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
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_." }}
{{- end }}

{{- define "secrets-bridge.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The labels of the pod of helm test. */}}
{{- define "secrets-bridge.testSelector" -}}
app.kubernetes.io/name: {{ include "secrets-bridge.bounded" (list (default .Chart.Name .Values.nameOverride) "-test") }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The subject of a binding. */}}
{{- define "secrets-bridge.subject" -}}
- kind: ServiceAccount
  name: {{ include "secrets-bridge.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* The lease's default name, which the controller derives from the namespaces and the selector. */}}
{{- define "secrets-bridge.leaseName" -}}
{{- $namespaces := default list .Values.controller.watchNamespaces | uniq | sortAlpha | join "," }}
{{- if .Values.leaderElection.leaseName }}
{{- .Values.leaderElection.leaseName }}
{{- else if or $namespaces .Values.controller.labelSelector }}
{{- printf "secrets-bridge-%s" (printf "%s\n%s" $namespaces .Values.controller.labelSelector | sha256sum | trunc 10) }}
{{- else }}
{{- "secrets-bridge" }}
{{- end }}
{{- end }}
