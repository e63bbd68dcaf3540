{{/* What the controller may do where it looks after WrappedSecrets. Every verb is here for a reason, and no other is. */}}
{{- define "secrets-bridge.rules" -}}
- apiGroups: [secrets-bridge.io]
  resources: [wrappedsecrets]
  verbs: [get, list, watch]
- apiGroups: [secrets-bridge.io]
  resources: [wrappedsecrets/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- if .Values.rolloutRestart.enabled }}
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, patch]
{{- end }}
{{- end }}
