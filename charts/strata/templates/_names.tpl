{{- define "strata.labels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: strata
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{/* Labels of pods: without versions, so that a new chart alone starts no new pod. Arguments: root, component. */}}
{{- define "strata.podLabels" -}}
{{ include "strata.selector" . }}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/part-of: strata
{{- end -}}

{{/* Labels by which one component's pods are found. Arguments: root, component. */}}
{{- define "strata.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "strata.spare.name" -}}
{{ .Release.Name }}-spare
{{- end -}}

{{/* Where the spare pod finds the models that it may be: as they are in the image, so not those that values give a file. */}}
{{- define "strata.spare.folders" -}}
{{- $folders := list -}}
{{- range $name := include "strata.models" . | fromJsonArray -}}
{{- if not (include "strata.model.values" (dict "root" $ "name" $name) | fromJson).file -}}
{{- $folders = append $folders (printf "/opt/strata/models/%s" $name) -}}
{{- end -}}
{{- end -}}
{{- join "," $folders -}}
{{- end -}}

{{- define "strata.ensemble.name" -}}
{{ .Release.Name }}-ensemble
{{- end -}}
