{{/* What runs the front door: an object of the kind that `ensemble.ray` asks for. */}}
{{- define "strata.ensemble.workload" -}}
{{- include (eq .Values.ensemble.ray "kuberay" | ternary "strata.ensemble.rayservice" "strata.ensemble.deployment") . -}}
{{- end -}}

{{/* The front door's container, the same beside a Ray head of its own and beside KubeRay's. */}}
{{- define "strata.ensemble.container" -}}
name: ensemble
{{ include "strata.image" (dict "root" . "image" "ensemble") }}
env:
  - {name: ENSEMBLE_FILES, value: {{ include "strata.ensemble.files" . | quote }}}
  - {name: ENSEMBLE_EXECUTOR, value: {{ eq .Values.ensemble.ray "none" | ternary "embedded" "ray" }}}
  - {name: ENSEMBLE_HTTP_ADDRESS, value: "0.0.0.0:8088"}
  - {name: ENSEMBLE_GRPC_ADDRESS, value: "0.0.0.0:9090"}
  - {name: ENSEMBLE_MEMBERS, value: {{ include "strata.ensemble.members" . | quote }}}
  {{- if .Values.spare.enabled }}
  - {name: ENSEMBLE_SPARE, value: {{ printf "%s.%s.svc.%s:80" (include "strata.spare.name" .) .Release.Namespace .Values.clusterDomain | quote }}}
  {{- end }}
  - {name: ENSEMBLE_MAX_ONGOING, value: {{ include "strata.number" .Values.ensemble.maxOngoing | quote }}}
  - {name: ENSEMBLE_MAX_PICTURES, value: {{ include "strata.number" .Values.ensemble.maxPictures | quote }}}
  - {name: ENSEMBLE_MAX_MESSAGE_BYTES, value: {{ include "strata.number" .Values.ensemble.maxMessageBytes | quote }}}
  {{- with .Values.ensemble.tariff }}
  - {name: ENSEMBLE_TARIFF, value: {{ dict "per_cpu_second" .perCpuSecond "per_gb_second" .perGbSecond "per_request" .perRequest "currency" .currency | toJson | quote }}}
  {{- end }}
  - {name: ENSEMBLE_RECEIPTS, value: /var/lib/strata/receipts}
  - {name: ENSEMBLE_RECEIPTS_BYTES, value: {{ include "strata.number" .Values.ensemble.receipts.maxBytes | quote }}}
  {{- if .Values.console.enabled }}
  - {{ include "strata.console.secretVariable" (dict "secret" .Values.console.secret "name" "ENSEMBLE_TOKEN_KEY" "key" "tokenKey") }}
  {{- end }}
  - {name: STRATA_MODELS, value: {{ include "strata.ensemble.modelFolders" . | quote }}}
  {{- if eq .Values.ensemble.ray "kuberay" }}
  - {name: RAY_ADDRESS, value: "127.0.0.1:6379"}
  - {name: RAY_AUTH_MODE, value: token}
  - name: RAY_AUTH_TOKEN
    valueFrom:
      secretKeyRef: {name: {{ include "strata.ensemble.name" . }}-ray, key: auth_token}
  {{- end }}
  {{- include "strata.tracing.environment" . | nindent 2 }}
  {{- with .Values.ensemble.extraEnv }}{{ toYaml . | nindent 2 }}{{ end }}
# Not 8000, 8080 and 9000: Ray Serve and KubeRay's metrics listen there.
ports:
  - {name: http, containerPort: 8088}
  - {name: grpc, containerPort: 9090}
# Beside KubeRay's head it waits up to 360 s for the application, and says then what it waited for.
startupProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 2
  failureThreshold: {{ eq .Values.ensemble.ray "kuberay" | ternary 200 90 }}
# The front door asks its graph every two seconds: without an answer it is not ready, and after a minute it is lost.
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 2
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
# The endpoints' readers hear of a pod's end at about the time the pod does: it takes requests a little longer.
lifecycle: {preStop: {sleep: {seconds: 5}}}
resources: {{- include "strata.resources" .Values.ensemble.resources | nindent 2 }}
securityContext: {{- include "strata.securityContext" . | nindent 2 }}
volumeMounts: {{- include "strata.ensemble.mounts" . | nindent 2 }}
{{- end -}}

{{/* The ensemble files that the front door reads: those in the image, then those that values declare. */}}
{{- define "strata.ensemble.files" -}}
{{- $files := list -}}
{{- range $name, $file := include "strata.present" .Values.ensemble.files | fromJson -}}
{{- $files = append $files $file.path -}}
{{- end -}}
{{- range $name, $ensemble := include "strata.present" .Values.ensembles | fromJson -}}
{{- $files = append $files (printf "%s/%s.yaml" (include "strata.files.folder" (dict "of" "ensemble")) $name) -}}
{{- end -}}
{{- join ":" $files -}}
{{- end -}}

{{- define "strata.ensemble.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: receipts, mountPath: /var/lib/strata/receipts}
{{- if ne .Values.ensemble.ray "none" }}
- {name: shm, mountPath: /dev/shm}
{{- end }}
{{- range $of, $files := include "strata.ensemble.declared" . | fromYaml }}
- {{ include "strata.files.mount" (dict "of" $of) }}
{{- end }}
{{- end -}}

{{- define "strata.ensemble.volumes" -}}
- {{ include "strata.scratch" (dict "name" "tmp" "size" .Values.ensemble.scratch) }}
{{- with .Values.ensemble.receipts.claim }}
- {name: receipts, persistentVolumeClaim: {claimName: {{ . | quote }}}}
{{- else }}
- {{ include "strata.scratch" (dict "name" "receipts" "size" (mul 2 (int64 .Values.ensemble.receipts.maxBytes))) }}
{{- end }}
{{- if ne .Values.ensemble.ray "none" }}
- {{ include "strata.scratch" (dict "name" "shm" "size" .Values.ensemble.sharedMemory "medium" "Memory") }}
{{- end }}
{{- range $of, $files := include "strata.ensemble.declared" . | fromYaml }}
- {{- include "strata.files.volume" (dict "of" $of "files" $files) | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "strata.ensemble.annotations" -}}
{{- with .Values.ensemble.podAnnotations }}{{ toYaml . }}{{ end }}
{{- range $of, $files := include "strata.ensemble.declared" . | fromYaml }}
{{- include "strata.files.annotations" (dict "of" $of "files" $files) }}
{{- end }}
{{- end -}}

{{/* The files that values declare, by what they are: {model: {NAME: file}, ensemble: {NAME: file}}; what there is none of is left out. */}}
{{- define "strata.ensemble.declared" -}}
{{- $declared := dict -}}
{{- $models := dict -}}
{{- range $name, $model := include "strata.present" .Values.models | fromJson -}}
{{- with $model.file }}{{ $_ := set $models $name . }}{{ end -}}
{{- end -}}
{{- range $name := include "strata.ensemble.pipelines" . | fromJsonArray -}}
{{- $_ := set $models $name (include "strata.pipeline.values" (dict "root" $ "name" $name) | fromJson).file -}}
{{- end -}}
{{- with $models }}{{ $_ := set $declared "model" . }}{{ end -}}
{{- with include "strata.present" .Values.ensembles | fromJson }}{{ $_ := set $declared "ensemble" . }}{{ end -}}
{{- $declared | toJson -}}
{{- end -}}

{{/* Folders of model files: those that values declare, then those in the image, which an ensemble by value has not beside it. */}}
{{- define "strata.ensemble.modelFolders" -}}
{{- if hasKey (include "strata.ensemble.declared" . | fromYaml) "model" }}{{ include "strata.files.folder" (dict "of" "model") }}:{{ end -}}
/opt/strata/examples/fashion/models:/opt/strata/examples/measure/models
{{- end -}}

{{/* Pipelines that are members of an ensemble, as a JSON list; a model of the same name goes before. */}}
{{- define "strata.ensemble.pipelines" -}}
{{- $members := list -}}
{{- range $name, $each := include "strata.ensembles" . | fromJson }}{{ $members = concat $members $each }}{{ end -}}
{{- $models := include "strata.models" . | fromJsonArray -}}
{{- $pipelines := list -}}
{{- range $name := include "strata.pipelines" . | fromJsonArray -}}
{{- if and (has $name $members) (not (has $name $models)) }}{{ $pipelines = append $pipelines $name }}{{ end -}}
{{- end -}}
{{- $pipelines | toJson -}}
{{- end -}}

{{/* Requests whose tensors may be on their way to a model: what starts as many pods as it may have. */}}
{{- define "strata.ensemble.places" -}}
{{- max 2 (mul .concurrency.target (default 16 .scale.max)) -}}
{{- end -}}

{{/* Model -> where an ensemble finds it, whole or stage by stage, as JSON. Only gRPC models can be members. */}}
{{- define "strata.ensemble.members" -}}
{{- $members := dict -}}
{{- range $name := include "strata.models" . | fromJsonArray -}}
{{- $model := include "strata.model.values" (dict "root" $ "name" $name) | fromJson -}}
{{- if eq $model.protocol "grpc" -}}
{{- $host := printf "%s.%s.svc.%s" $name $.Release.Namespace $.Values.clusterDomain -}}
{{- $_ := set $members $name (dict "address" (printf "%s:80" $host) "authority" $host "max_batch" $model.maxBatch "max_message_bytes" $model.maxMessageBytes "places" (include "strata.ensemble.places" $model | int64)) -}}
{{- end -}}
{{- end -}}
{{- range $name := include "strata.ensemble.pipelines" . | fromJsonArray -}}
{{- $stages := list -}}
{{- range (include "strata.pipeline.values" (dict "root" $ "name" $name) | fromJson).stages -}}
{{- $host := printf "%s.%s.svc.%s" (include "strata.stage.name" (dict "name" $name "stage" .)) $.Release.Namespace $.Values.clusterDomain -}}
{{- $stages = append $stages (dict "name" .name "address" (printf "%s:80" $host) "authority" $host) -}}
{{- end -}}
{{- $_ := set $members $name (dict "stages" $stages) -}}
{{- end -}}
{{- $members | toJson -}}
{{- end -}}
