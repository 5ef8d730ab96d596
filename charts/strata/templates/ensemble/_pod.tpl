{{/* The front door's container, the same beside a Ray head of its own and beside KubeRay's. */}}
{{- define "strata.ensemble.container" -}}
name: ensemble
image: {{ .Values.images.ensemble }}
imagePullPolicy: {{ .Values.images.pullPolicy }}
env:
  - {name: ENSEMBLE_FILES, value: {{ include "strata.ensemble.files" . | quote }}}
  - {name: ENSEMBLE_EXECUTOR, value: ray}
  - {name: ENSEMBLE_HTTP_ADDRESS, value: "0.0.0.0:8088"}
  - {name: ENSEMBLE_GRPC_ADDRESS, value: "0.0.0.0:9090"}
  - {name: ENSEMBLE_MEMBERS, value: {{ include "strata.ensemble.members" . | quote }}}
  - {name: ENSEMBLE_MAX_ONGOING, value: {{ .Values.ensemble.maxOngoing | quote }}}
  - {name: ENSEMBLE_MAX_PICTURES, value: {{ .Values.ensemble.maxPictures | quote }}}
  - {name: ENSEMBLE_MAX_MESSAGE_BYTES, value: {{ .Values.ensemble.maxMessageBytes | int | quote }}}
  {{- with .Values.ensemble.tariff }}
  - {name: ENSEMBLE_TARIFF, value: {{ dict "per_cpu_second" .perCpuSecond "per_gb_second" .perGbSecond "per_request" .perRequest "currency" .currency | toJson | quote }}}
  {{- end }}
  - {name: STRATA_MODELS, value: "{{ if include "strata.ensemble.modelFiles" . }}/etc/strata/models:{{ end }}{{ include "strata.ensemble.imageModels" . }}"}
  {{- if eq .Values.ensemble.ray "kuberay" }}
  - {name: RAY_ADDRESS, value: "127.0.0.1:6379"}
  - {name: RAY_AUTH_MODE, value: token}
  - name: RAY_AUTH_TOKEN
    valueFrom:
      secretKeyRef: {name: {{ include "strata.ensemble.name" . }}-ray, key: auth_token}
  {{- end }}
# Not 8000, 8080 and 9000: Ray Serve and KubeRay's metrics listen there.
ports:
  - {name: http, containerPort: 8088}
  - {name: grpc, containerPort: 9090}
# Beside KubeRay's head it waits up to 360 s for the application, and says then what it waited for.
startupProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 2
  failureThreshold: {{ eq .Values.ensemble.ray "kuberay" | ternary 200 90 }}
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 2
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
# The endpoints' readers hear of a pod's end at about the time the pod does: it takes requests a little longer.
lifecycle: {preStop: {sleep: {seconds: 5}}}
resources: {{- toYaml .Values.ensemble.resources | nindent 2 }}
securityContext: {{- include "strata.securityContext" . | nindent 2 }}
volumeMounts: {{- include "strata.ensemble.mounts" . | nindent 2 }}
{{- end -}}

{{- define "strata.ensemble.files" -}}
{{- $files := .Values.ensemble.files -}}
{{- range $name := keys .Values.ensembles | sortAlpha -}}
{{- $files = append $files (printf "/etc/strata/ensembles/%s.yaml" $name) -}}
{{- end -}}
{{- if not $files -}}
{{- fail "ensemble.files and ensembles are both empty: a front door needs at least one ensemble" -}}
{{- end -}}
{{- join ":" $files -}}
{{- end -}}

{{- define "strata.ensemble.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: shm, mountPath: /dev/shm}
{{- if include "strata.ensemble.modelFiles" . }}
- {name: models, mountPath: /etc/strata/models, readOnly: true}
{{- end }}
{{- if .Values.ensembles }}
- {name: ensembles, mountPath: /etc/strata/ensembles, readOnly: true}
{{- end }}
{{- end -}}

{{- define "strata.ensemble.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: {{ .Values.ensemble.scratch }}}}
- {name: shm, emptyDir: {medium: Memory, sizeLimit: {{ .Values.ensemble.sharedMemory }}}}
{{- with include "strata.ensemble.modelFiles" . }}
- name: models
  projected:
    sources: {{- . | trim | nindent 6 }}
{{- end }}
{{- if .Values.ensembles }}
- {name: ensembles, configMap: {name: {{ include "strata.ensemble.name" . }}}}
{{- end }}
{{- end -}}

{{/* The folders with model files in the image: an ensemble by value has none beside it. */}}
{{- define "strata.ensemble.imageModels" -}}
/opt/strata/examples/fashion/models:/opt/strata/examples/measure/models
{{- end -}}

{{/* The model files that values declare, as sources of one volume; empty where there are none. */}}
{{- define "strata.ensemble.modelFiles" -}}
{{- range $name := keys .Values.models | sortAlpha }}
{{- with (index $.Values.models $name | default dict).file }}
- configMap: {name: {{ include "strata.model.fileName" (dict "name" $name "file" .) }}}
{{- end }}
{{- end }}
{{- end -}}
