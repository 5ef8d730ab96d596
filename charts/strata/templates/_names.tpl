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

{{/* The ConfigMap with a model's file: another content is another ConfigMap. Arguments: name, file. */}}
{{- define "strata.model.fileName" -}}
{{ .name }}-{{ .file | toJson | sha256sum | trunc 8 }}
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
