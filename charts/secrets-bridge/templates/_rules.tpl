{{/* The controller's rights in the namespaces that it watches. It needs each of these verbs, and no other. */}}
{{- define "secrets-bridge.rules" -}}
- apiGroups: [secrets-bridge.io]
  resources: [wrappedsecrets]
  verbs: [get, list, watch]
- apiGroups: [secrets-bridge.io]
  resources: [wrappedsecrets/status]
  verbs: [patch]
{{- if .Values.keyProviders.enabled }}
- apiGroups: [secrets-bridge.io]
  resources: [keyproviders]
  verbs: [list, watch]
- apiGroups: [secrets-bridge.io]
  resources: [keyproviders/status]
  verbs: [patch]
{{- end }}
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

{{/* The right to read ClusterKeyProviders, and the labels of namespaces for those that select by label, and to write their status. */}}
{{- define "secrets-bridge.providerRules" -}}
- apiGroups: [secrets-bridge.io]
  resources: [clusterkeyproviders]
  verbs: [list, watch]
- apiGroups: [secrets-bridge.io]
  resources: [clusterkeyproviders/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
{{- end }}

{{/*
A role and its binding for the controller: in each namespace that it looks after, or in the whole cluster.
Takes a list of the context, the name and the template that has the rules.
*/}}
{{- define "secrets-bridge.role" -}}
{{- $context := index . 0 }}
{{- $name := index . 1 }}
{{- $rules := index . 2 }}
{{- range $namespace := default (list "") (default list $context.Values.controller.watchNamespaces | uniq) }}
{{- include "secrets-bridge.roleIn" (list $context $name $rules $namespace) }}
{{- end }}
{{- end }}

{{/*
A role and its binding for the controller in one namespace, or in the whole cluster if the namespace is empty.
Takes a list of the context, the name, the template that has the rules and the namespace.
*/}}
{{- define "secrets-bridge.roleIn" -}}
{{- $context := index . 0 }}
{{- $name := index . 1 }}
{{- $rules := index . 2 }}
{{- $namespace := index . 3 }}
{{- $kind := ternary "ClusterRole" "Role" (empty $namespace) }}
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
