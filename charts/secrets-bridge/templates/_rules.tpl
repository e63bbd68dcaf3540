{{/* The controller's rights in the namespaces that it watches. It needs each of these verbs, and no other. */}}
{{- define "secrets-bridge.rules" -}}
- apiGroups: [secrets-bridge.io]
  resources: [wrappedsecrets]
  verbs: [get, list, watch]
- apiGroups: [secrets-bridge.io]
  resources: [wrappedsecrets/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* The right to delete Secrets, for spec.recreate and for the previous name of a renamed target. */}}
{{- define "secrets-bridge.deletionRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [delete]
{{- end }}

{{/* The right to restart workloads by an annotation of their pod templates. */}}
{{- define "secrets-bridge.restartRules" -}}
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, patch]
{{- end }}

{{/*
A role and its binding for the controller: in each namespace that it looks after, or in the whole cluster.
Takes a list of the context, the name and the template that has the rules.
*/}}
{{- define "secrets-bridge.role" -}}
{{- $context := index . 0 }}
{{- $name := index . 1 }}
{{- $rules := index . 2 }}
{{- $kind := ternary "Role" "ClusterRole" (not (empty $context.Values.controller.watchNamespaces)) }}
{{- range $namespace := default (list "") (default list $context.Values.controller.watchNamespaces | uniq) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ $name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "secrets-bridge.labels" $context | nindent 4 }}
rules:
  {{- include $rules $context | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ $name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "secrets-bridge.labels" $context | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $name }}
subjects:
  {{- include "secrets-bridge.subject" $context | nindent 2 }}
{{- end }}
{{- end }}
