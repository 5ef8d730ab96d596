{{/* Values as templates use them: null taken away, defaults under a model's own, numbers as plain digits. */}}

{{/* The entries of a map that are not null, as YAML. */}}
{{- define "strata.present" -}}
{{- $present := dict -}}
{{- range $name, $value := . -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $present $name $value -}}
{{- end -}}
{{- end -}}
{{- $present | toJson -}}
{{- end -}}

{{/* Names of the models that are not taken away, sorted, as a JSON list. */}}
{{- define "strata.models" -}}
{{- include "strata.present" .Values.models | fromJson | keys | sortAlpha | toJson -}}
{{- end -}}

{{/* One model's values: its own over the defaults. Arguments: root, name. */}}
{{- define "strata.model.values" -}}
{{- mergeOverwrite (deepCopy .root.Values.modelDefaults) (deepCopy (get .root.Values.models .name)) | toJson -}}
{{- end -}}

{{/* Every ensemble -> the models it names, as JSON: those whose files are in the image, and those given by value. */}}
{{- define "strata.ensembles" -}}
{{- $ensembles := dict -}}
{{- range $name, $file := include "strata.present" .Values.ensemble.files | fromJson -}}
{{- $_ := set $ensembles $name $file.members -}}
{{- end -}}
{{- range $name, $ensemble := include "strata.present" .Values.ensembles | fromJson -}}
{{- $members := list -}}
{{- range $ensemble.members }}{{ $members = append $members .model }}{{ end -}}
{{- $_ := set $ensembles $name $members -}}
{{- end -}}
{{- $ensembles | toJson -}}
{{- end -}}

{{/* A number as plain digits: templates print large ones that come from a file of values as 1e+06. */}}
{{- define "strata.number" -}}
{{- . | toJson -}}
{{- end -}}

{{/* A quantity as Kubernetes reads it. */}}
{{- define "strata.quantity.text" -}}
{{- kindIs "string" . | ternary . (toJson .) -}}
{{- end -}}

{{/* Requests and limits. */}}
{{- define "strata.resources" -}}
{{- $resources := dict -}}
{{- range $bound := list "requests" "limits" -}}
{{- $quantities := dict -}}
{{- range $resource, $quantity := get $ $bound | default dict -}}
{{- if not (kindIs "invalid" $quantity) }}{{ $_ := set $quantities $resource (include "strata.quantity.text" $quantity) }}{{ end -}}
{{- end -}}
{{- with $quantities }}{{ $_ := set $resources $bound . }}{{ end -}}
{{- end -}}
{{- $resources | toYaml -}}
{{- end -}}

{{/* A quantity as a plain number. */}}
{{- define "strata.quantity" -}}
{{- $text := include "strata.quantity.text" . -}}
{{- $unit := regexFind "[a-zA-Z]+$" $text -}}
{{- $units := dict "" 1.0 "n" 1e-9 "u" 1e-6 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- mulf (trimSuffix $unit $text | float64) (get $units $unit) -}}
{{- end -}}

{{/* A duration as seconds. */}}
{{- define "strata.seconds" -}}
{{- $seconds := 0.0 -}}
{{- $units := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 -}}
{{- range regexFindAll "[0-9.]+(ms|s|m|h)" . -1 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $seconds = addf $seconds (mulf (trimSuffix $unit . | float64) (get $units $unit)) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}
