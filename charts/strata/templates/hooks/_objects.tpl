{{/* What the hook makes as declared, as JSON: each workload's place in Kubernetes' API, labels and spec. */}}
{{- define "strata.enforce.objects" -}}
{{- $workloads := list (include "strata.ensemble.workload" . | fromYaml) -}}
{{- range $name := include "strata.models" . | fromJsonArray -}}
{{- $workloads = append $workloads (include "strata.model.service" (dict "root" $ "name" $name) | fromYaml) -}}
{{- end -}}
{{- range $name := include "strata.pipelines" . | fromJsonArray -}}
{{- range $number, $stage := (include "strata.pipeline.values" (dict "root" $ "name" $name) | fromJson).stages -}}
{{- $workloads = append $workloads (include "strata.stage.service" (dict "root" $ "name" $name "number" $number "stage" $stage) | fromYaml) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.spare.enabled .Values.ensemble.replicas -}}
{{- $workloads = append $workloads (include "strata.spare.deployment" . | fromYaml) -}}
{{- end -}}
{{- if include "strata.store.own" . -}}
{{- $workloads = append $workloads (include "strata.store.deployment" . | fromYaml) -}}
{{- end -}}
{{- if .Values.workbench.enabled -}}
{{- $workloads = append $workloads (include "strata.workbench.service" . | fromYaml) -}}
{{- end -}}
{{- if .Values.console.enabled -}}
{{- $workloads = append $workloads (include "strata.console.service" . | fromYaml) -}}
{{- end -}}
{{- if include "strata.console.database.own" . -}}
{{- $workloads = append $workloads (include "strata.console.database" . | fromYaml) -}}
{{- end -}}
{{- $objects := list -}}
{{- range $workloads -}}
{{- $path := printf "/apis/%s/namespaces/%s/%ss/%s" .apiVersion $.Release.Namespace (lower .kind) .metadata.name -}}
{{- $objects = append $objects (dict "path" $path "labels" .metadata.labels "spec" .spec) -}}
{{- end -}}
{{- $objects | toJson -}}
{{- end -}}
