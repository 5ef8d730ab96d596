{{/* What the hook makes as declared, as JSON: each workload's place in Kubernetes' API, labels and spec. */}}
{{- define "strata.enforce.objects" -}}
{{- $workloads := list (include "strata.ensemble.workload" . | fromYaml) -}}
{{- range $name := include "strata.models" . | fromJsonArray -}}
{{- $workloads = append $workloads (include "strata.model.service" (dict "root" $ "name" $name) | fromYaml) -}}
{{- end -}}
{{- $objects := list -}}
{{- range $workloads -}}
{{- $path := printf "/apis/%s/namespaces/%s/%ss/%s" .apiVersion $.Release.Namespace (lower .kind) .metadata.name -}}
{{- $objects = append $objects (dict "path" $path "labels" .metadata.labels "spec" .spec) -}}
{{- end -}}
{{- $objects | toJson -}}
{{- end -}}

{{- define "strata.enforce.name" -}}
{{ .Release.Name }}-enforce
{{- end -}}

{{/* Metadata of one of the hook's objects. They last for as long as the hook runs. Arguments: root, weight. */}}
{{- define "strata.enforce.metadata" -}}
name: {{ include "strata.enforce.name" .root }}
labels: {{- include "strata.labels" (dict "root" .root "component" "enforce") | nindent 2 }}
annotations:
  helm.sh/hook: post-upgrade,post-rollback
  helm.sh/hook-weight: {{ .weight | quote }}
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
