{{/* What all pods have, written once. */}}

{{/*
A pod's own fields. Arguments: root, values (a workload's, with placement), token (true: it may ask Kubernetes, by the token
that its account gives it; Knative refuses a pod that asks for one itself).
*/}}
{{- define "strata.pod" -}}
{{- if not .token }}
automountServiceAccountToken: false
{{- end }}
enableServiceLinks: false
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" }}
{{- with get $.values $field }}
{{ $field }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A container's image. Arguments: root, image (a key of images). */}}
{{- define "strata.image" -}}
image: {{ get .root.Values.images .image | quote }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
{{- end -}}

{{/* What every container may do: run as a user without rights, read its own files. */}}
{{- define "strata.securityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Where traces go, as OpenTelemetry's own variable; nothing where there is no collector. */}}
{{- define "strata.tracing.environment" -}}
{{- with .Values.tracing.endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{/* An empty folder of a bounded size. Arguments: name, size, medium. */}}
{{- define "strata.scratch" -}}
{name: {{ .name }}, emptyDir: {sizeLimit: {{ include "strata.quantity.text" .size | quote }}{{ with .medium }}, medium: {{ . }}{{ end }}}}
{{- end -}}

{{/* What a pod of one short task needs: a hook's, a test's. */}}
{{- define "strata.task.resources" -}}
requests: {cpu: 50m, memory: 64Mi, ephemeral-storage: 16Mi}
limits: {cpu: 500m, memory: 256Mi, ephemeral-storage: 64Mi}
{{- end -}}
