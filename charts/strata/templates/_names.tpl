{{- define "strata.labels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{/* Labels of pods: without versions, so that a new chart alone starts no new pod. */}}
{{- define "strata.podLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "strata.ensemble.name" -}}
{{ .Release.Name }}-ensemble
{{- end -}}

{{/* What no schema can hold, refused before anything is installed. */}}
{{- define "strata.check" -}}
{{- $door := include "strata.ensemble.name" . -}}
{{- if not (regexMatch "^[a-z]" .Release.Name) -}}
{{- fail (printf "release name %q: begin it with a letter, as the name of the front door's Service, %q, must" .Release.Name $door) -}}
{{- end -}}
{{- if hasKey .Values.models $door -}}
{{- fail (printf "models.%s: the front door's own Service has this name; name the model or the release otherwise" $door) -}}
{{- end -}}
{{- $declared := include "strata.ensemble.annotations" . | len -}}
{{- if gt $declared 250000 -}}
{{- fail (printf "models and ensembles declare %d bytes of files, and a pod carries at most 250000: put model files with long lists of labels into an image" $declared) -}}
{{- end -}}
{{- include "strata.check.resources" (dict "of" "ensemble" "resources" .Values.ensemble.resources) -}}
{{- range $name := keys .Values.models | sortAlpha -}}
{{- $model := include "strata.model.values" (dict "root" $ "name" $name) | fromYaml -}}
{{- include "strata.check.resources" (dict "of" (printf "models.%s" $name) "resources" $model.resources) -}}
{{- if and $model.scale.max (gt (int $model.scale.min) (int $model.scale.max)) -}}
{{- fail (printf "models.%s: scale.min %d is over scale.max %d; raise max, or set it to 0 for no bound" $name (int $model.scale.min) (int $model.scale.max)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A request over its limit: Kubernetes would say so to Knative alone, and no pod would ever start. Arguments: of, resources. */}}
{{- define "strata.check.resources" -}}
{{- range $resource, $request := .resources.requests -}}
{{- with index ($.resources.limits | default dict) $resource -}}
{{- if gt (include "strata.quantity" $request | float64) (include "strata.quantity" . | float64) -}}
{{- fail (printf "%s: resources.requests.%s %v is over resources.limits.%s %v; lower the one or raise the other" $.of $resource $request $resource .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A quantity as a plain number. */}}
{{- define "strata.quantity" -}}
{{- $unit := regexFind "[a-zA-Z]+$" (toString .) -}}
{{- $units := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 -}}
{{- mulf (trimSuffix $unit (toString .) | float64) (get $units $unit) -}}
{{- end -}}

{{- define "strata.ensemble.selector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: ensemble
{{- end -}}

{{/* What every container may do: run as nobody in particular, read its own files. */}}
{{- define "strata.securityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* One model's values: its own over the defaults. Arguments: root, name. */}}
{{- define "strata.model.values" -}}
{{- $own := index .root.Values.models .name | default dict -}}
{{- mergeOverwrite (deepCopy .root.Values.modelDefaults) (deepCopy $own) | toYaml -}}
{{- end -}}

{{/* Model -> where an ensemble finds it, as JSON. Only gRPC models can be members. */}}
{{- define "strata.ensemble.members" -}}
{{- $members := dict -}}
{{- range $name := keys .Values.models | sortAlpha -}}
{{- $model := include "strata.model.values" (dict "root" $ "name" $name) | fromYaml -}}
{{- if eq $model.protocol "grpc" -}}
{{- $host := printf "%s.%s.svc.%s" $name $.Release.Namespace $.Values.clusterDomain -}}
{{- $_ := set $members $name (dict "address" (printf "%s:80" $host) "authority" $host "max_batch" (int $model.maxBatch) "max_message_bytes" (int $model.maxMessageBytes)) -}}
{{- end -}}
{{- end -}}
{{- range $name, $ensemble := .Values.ensembles -}}
{{- $seen := dict -}}
{{- range $ensemble.members -}}
{{- if hasKey $seen .model -}}
{{- fail (printf "ensembles.%s: member %q is named twice; each counts once" $name .model) -}}
{{- end -}}
{{- $_ := set $seen .model true -}}
{{- if not (hasKey $members .model) -}}
{{- fail (printf "ensembles.%s: member %q is not one of the models with protocol grpc: %s" $name .model (keys $members | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $members | toJson -}}
{{- end -}}
