{{/* The release's own S3 server is there where pipelines need a store and no other is named. */}}
{{- define "strata.store.own" -}}
{{- if and (include "strata.pipelines" . | fromJsonArray) (not .Values.store.endpoint) -}}true{{- end -}}
{{- end -}}

{{- define "strata.store.name" -}}
{{ .Release.Name }}-store
{{- end -}}

{{- define "strata.store.secret" -}}
{{ .Values.store.secret | default (include "strata.store.name" .) }}
{{- end -}}

{{/* What an S3 client reads of its environment. */}}
{{- define "strata.store.environment" -}}
{{- $endpoint := .Values.store.endpoint | default (printf "http://%s.%s.svc.%s:7070" (include "strata.store.name" .) .Release.Namespace .Values.clusterDomain) -}}
- {name: AWS_ENDPOINT_URL, value: {{ $endpoint | quote }}}
- {name: AWS_REGION, value: {{ .Values.store.region | quote }}}
{{- range $key := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- {name: {{ $key }}, valueFrom: {secretKeyRef: {name: {{ include "strata.store.secret" $ | quote }}, key: {{ $key }}}}}
{{- end }}
{{- end -}}
