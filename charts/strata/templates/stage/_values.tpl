{{/* Names of the pipelines that are not taken away, sorted, as a JSON list. */}}
{{- define "strata.pipelines" -}}
{{- include "strata.present" .Values.pipelines | fromJson | keys | sortAlpha | toJson -}}
{{- end -}}

{{/* One pipeline's values: its own over the defaults. Arguments: root, name. */}}
{{- define "strata.pipeline.values" -}}
{{- mergeOverwrite (deepCopy .root.Values.pipelineDefaults) (deepCopy (get .root.Values.pipelines .name)) | toJson -}}
{{- end -}}

{{/* Each stage's name and its last layer, in their order, as the JSON that PUBLISH_STAGES takes. Arguments: the pipeline's values. */}}
{{- define "strata.pipeline.cuts" -}}
{{- $stages := list -}}
{{- range .stages }}{{ $stages = append $stages (printf "%s:%s" (toJson .name) (toJson .last)) }}{{ end -}}
{ {{- join "," $stages -}} }
{{- end -}}

{{/* What decides the compiled stages: other values, another place in the store. Arguments: root, name. */}}
{{- define "strata.pipeline.content" -}}
{{- $pipeline := include "strata.pipeline.values" . | fromJson -}}
{{- list .root.Values.images.stage .name $pipeline.file $pipeline.runtime (include "strata.pipeline.cuts" $pipeline) | toJson | sha256sum | trunc 10 -}}
{{- end -}}

{{/* Where the compiled stages are published. Arguments: root, name. */}}
{{- define "strata.pipeline.url" -}}
{{ trimSuffix "/" .root.Values.store.url }}/compiled/{{ .name }}-{{ include "strata.pipeline.content" . }}
{{- end -}}

{{/* What a stage's pod may write: its scratch, and a gibibyte of logs. Arguments: the pipeline's values. */}}
{{- define "strata.stage.storage" -}}
{{ include "strata.quantity" .scratch | float64 | addf 1073741824.0 | mulf 0.00000095367431640625 | ceil | int64 }}Mi
{{- end -}}

{{- define "strata.stage.name" -}}
{{ .name }}-{{ .stage.name }}
{{- end -}}

{{/* Names of all stages' Services, as a JSON list. */}}
{{- define "strata.stage.names" -}}
{{- $names := list -}}
{{- range $name := include "strata.pipelines" . | fromJsonArray -}}
{{- range (include "strata.pipeline.values" (dict "root" $ "name" $name) | fromJson).stages -}}
{{- $names = append $names (include "strata.stage.name" (dict "name" $name "stage" .)) -}}
{{- end -}}
{{- end -}}
{{- $names | toJson -}}
{{- end -}}

{{/* What no schema can hold. Arguments: root, name. */}}
{{- define "strata.check.pipeline" -}}
{{- $of := printf "pipelines.%s" .name -}}
{{- $pipeline := include "strata.pipeline.values" . | fromJson -}}
{{- $names := list -}}
{{- range $number, $stage := $pipeline.stages -}}
{{- $names = append $names $stage.name -}}
{{- $last := eq (add1 $number) (len $pipeline.stages) -}}
{{- if and $last $stage.last -}}
{{- fail (printf "%s.stages: %s is the last stage, so its `last` is null, not %q" $of $stage.name $stage.last) -}}
{{- end -}}
{{- if and (not $last) (not $stage.last) -}}
{{- fail (printf "%s.stages: %s needs its last layer; only the last stage's is null" $of $stage.name) -}}
{{- end -}}
{{- end -}}
{{- if ne (len $names) (len (uniq $names)) -}}
{{- fail (printf "%s.stages: a name is there twice in %s" $of (join ", " $names)) -}}
{{- end -}}
{{- if and $pipeline.scale.max (gt (int64 $pipeline.scale.min) (int64 $pipeline.scale.max)) -}}
{{- fail (printf "%s: scale.min %d is over scale.max %d; raise max, or set it to 0 for no bound" $of (int64 $pipeline.scale.min) (int64 $pipeline.scale.max)) -}}
{{- end -}}
{{- include "strata.check.duration" (dict "of" (printf "%s: scale.window" $of) "duration" $pipeline.scale.window "least" 6.0) -}}
{{- include "strata.check.duration" (dict "of" (printf "%s: scale.retention" $of) "duration" $pipeline.scale.retention "least" 0.0) -}}
{{- if and .root.Values.store.endpoint (not .root.Values.store.secret) -}}
{{- fail (printf "%s: store.endpoint is given, so store.secret must name a Secret with its keys" $of) -}}
{{- end -}}
{{- end -}}
