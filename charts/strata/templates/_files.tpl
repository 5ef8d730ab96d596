{{/*
A pod brings the files that values declare along, as annotations of its own: what a revision of a model or of the front
door reads is written in it, cannot be taken away, and comes back with it at a rollback.
*/}}

{{/* One file: declared values, and their name. JSON is YAML too, and keeps a large integer an integer. Arguments: name, file. */}}
{{- define "strata.file" -}}
{{ mergeOverwrite (deepCopy .file) (dict "name" .name) | toJson }}
{{- end -}}

{{/* Annotations with files. Arguments: of (model or ensemble), files: name -> values. */}}
{{- define "strata.files.annotations" -}}
{{- range $name, $file := .files }}
strata.dev/{{ $.of }}-{{ $name }}: {{ include "strata.file" (dict "name" $name "file" $file) | quote }}
{{- end }}
{{- end -}}

{{/* The volume that shows them as files NAME.yaml. Arguments: of, files. */}}
{{- define "strata.files.volume" -}}
name: {{ .of }}-files
projected:
  sources:
    - downwardAPI:
        items:
          {{- range $name := keys .files | sortAlpha }}
          - {path: {{ $name }}.yaml, fieldRef: {fieldPath: "metadata.annotations['strata.dev/{{ $.of }}-{{ $name }}']"}}
          {{- end }}
{{- end -}}

{{/* Where they are. Arguments: of. */}}
{{- define "strata.files.mount" -}}
{name: {{ .of }}-files, mountPath: {{ include "strata.files.folder" . }}, readOnly: true}
{{- end -}}

{{- define "strata.files.folder" -}}
/etc/strata/{{ .of }}s
{{- end -}}
