{{/* The controller's arguments that differ from its defaults. */}}
{{- define "secrets-bridge.arguments" -}}
{{- $arguments := list "controller" }}
{{- with .Values.controller }}
{{- with .watchNamespaces }}{{ $arguments = append $arguments (printf "--watch-namespace=%s" (join "," .)) }}{{ end }}
{{- with .labelSelector }}{{ $arguments = append $arguments (printf "--label-selector=%s" .) }}{{ end }}
{{- if ne (join "," .allowedScopes) "strict,namespace" }}
{{- $arguments = append $arguments (printf "--allowed-scopes=%s" (join "," .allowedScopes)) }}
{{- end }}
{{- if kindIs "slice" .denyTemplateMetadata }}
{{- $arguments = append $arguments (printf "--deny-template-metadata=%s" (join "," .denyTemplateMetadata)) }}
{{- end }}
{{- with .allowSecretTypes }}{{ $arguments = append $arguments (printf "--allow-secret-types=%s" (join "," .)) }}{{ end }}
{{- $labels := list }}
{{- range $key, $value := .secretLabels }}{{ $labels = append $labels (printf "%s=%s" $key $value) }}{{ end }}
{{- with $labels }}{{ $arguments = append $arguments (printf "--secret-labels=%s" (join "," .)) }}{{ end }}
{{- with .workers }}{{ $arguments = append $arguments (printf "--workers=%d" (int .)) }}{{ end }}
{{- if not (kindIs "invalid" .kmsNamespaceRate) }}
{{- $arguments = append $arguments (printf "--kms-namespace-rate=%d" (int .kmsNamespaceRate)) }}
{{- end }}
{{- with .kmsNamespaceBurst }}{{ $arguments = append $arguments (printf "--kms-namespace-burst=%d" (int .)) }}{{ end }}
{{- if ne .logLevel "info" }}{{ $arguments = append $arguments (printf "--log-level=%s" .logLevel) }}{{ end }}
{{- if ne .logFormat "auto" }}{{ $arguments = append $arguments (printf "--log-format=%s" .logFormat) }}{{ end }}
{{- end }}
{{- with .Values.leaderElection }}
{{- if not .enabled }}{{ $arguments = append $arguments "--no-leader-elect" }}{{ end }}
{{- with .leaseName }}{{ $arguments = append $arguments (printf "--leader-elect-name=%s" .) }}{{ end }}
{{- with .leaseDuration }}{{ $arguments = append $arguments (printf "--leader-elect-lease-duration=%s" .) }}{{ end }}
{{- with .renewDeadline }}{{ $arguments = append $arguments (printf "--leader-elect-renew-deadline=%s" .) }}{{ end }}
{{- with .retryPeriod }}{{ $arguments = append $arguments (printf "--leader-elect-retry-period=%s" .) }}{{ end }}
{{- end }}
{{- toYaml (concat $arguments (default list .Values.controller.extraArgs)) }}
{{- end }}
