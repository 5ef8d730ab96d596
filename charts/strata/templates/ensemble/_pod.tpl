{{/* What runs the front door: an object of the kind that `ensemble.ray` asks for. */}}
{{- define "strata.ensemble.workload" -}}
{{- include (eq .Values.ensemble.ray "kuberay" | ternary "strata.ensemble.rayservice" "strata.ensemble.deployment") . -}}
{{- end -}}

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
  - {name: STRATA_MODELS, value: {{ include "strata.ensemble.modelFolders" . | quote }}}
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
{{- $files = append $files (printf "%s/%s.yaml" (include "strata.files.folder" (dict "of" "ensemble")) $name) -}}
{{- end -}}
{{- if not $files -}}
{{- fail "ensemble.files and ensembles are both empty: a front door needs at least one ensemble" -}}
{{- end -}}
{{- join ":" $files -}}
{{- end -}}

{{- define "strata.ensemble.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: shm, mountPath: /dev/shm}
{{- range $of, $files := include "strata.ensemble.declared" . | fromYaml }}
- {{ include "strata.files.mount" (dict "of" $of) }}
{{- end }}
{{- end -}}

{{- define "strata.ensemble.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: {{ .Values.ensemble.scratch }}}}
- {name: shm, emptyDir: {medium: Memory, sizeLimit: {{ .Values.ensemble.sharedMemory }}}}
{{- range $of, $files := include "strata.ensemble.declared" . | fromYaml }}
- {{- include "strata.files.volume" (dict "of" $of "files" $files) | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "strata.ensemble.annotations" -}}
{{- range $of, $files := include "strata.ensemble.declared" . | fromYaml }}
{{- include "strata.files.annotations" (dict "of" $of "files" $files) }}
{{- end }}
{{- end -}}

{{/* The files that values declare, by what they are: {model: {NAME: file}, ensemble: {NAME: file}}; what there is none of is left out. */}}
{{- define "strata.ensemble.declared" -}}
{{- $declared := dict -}}
{{- $models := dict -}}
{{- range $name, $model := .Values.models -}}
{{- with ($model | default dict).file -}}
{{- $_ := set $models $name . -}}
{{- end -}}
{{- end -}}
{{- with $models }}{{ $_ := set $declared "model" . }}{{ end -}}
{{- with .Values.ensembles }}{{ $_ := set $declared "ensemble" . }}{{ end -}}
{{- $declared | toJson -}}
{{- end -}}

{{/* Folders of model files: those that values declare, then those in the image, which an ensemble by value has not beside it. */}}
{{- define "strata.ensemble.modelFolders" -}}
{{- if hasKey (include "strata.ensemble.declared" . | fromYaml) "model" }}{{ include "strata.files.folder" (dict "of" "model") }}:{{ end -}}
/opt/strata/examples/fashion/models:/opt/strata/examples/measure/models
{{- end -}}
