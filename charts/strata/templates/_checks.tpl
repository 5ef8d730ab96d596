{{/* What no schema can hold, refused before anything is installed. */}}
{{- define "strata.check" -}}
{{- include "strata.check.names" . -}}
{{- $models := include "strata.models" . | fromJsonArray -}}
{{- if not $models -}}
{{- fail "models: every one is null; name at least one" -}}
{{- end -}}
{{- range $name := $models -}}
{{- include "strata.check.model" (dict "root" $ "name" $name) -}}
{{- end -}}
{{- range $name := include "strata.pipelines" . | fromJsonArray -}}
{{- include "strata.check.pipeline" (dict "root" $ "name" $name) -}}
{{- end -}}
{{- $names := concat $models (include "strata.stage.names" . | fromJsonArray) -}}
{{- if ne (len $names) (len (uniq $names)) -}}
{{- fail (printf "models and pipelines: two Services of one name in %s" (join ", " $names)) -}}
{{- end -}}
{{- $own := include "strata.own.names" . | fromJson -}}
{{- range $name := $names -}}
{{- with get $own $name -}}
{{- fail (printf "%s: the %s's own Service has this name; name the model, the pipeline or the release otherwise" $name .) -}}
{{- end -}}
{{- end -}}
{{- include "strata.check.resources" (dict "of" "ensemble" "resources" .Values.ensemble.resources) -}}
{{- if .Values.ensemble.replicas -}}
{{- include "strata.check.ensembles" . -}}
{{- end -}}
{{- if .Values.spare.enabled -}}
{{- include "strata.check.spare" . -}}
{{- end -}}
{{- if .Values.workbench.enabled -}}
{{- include "strata.check.workbench" . -}}
{{- end -}}
{{- if .Values.console.enabled -}}
{{- include "strata.check.console" . -}}
{{- end -}}
{{- $declared := include "strata.ensemble.annotations" . | len -}}
{{- if gt $declared 250000 -}}
{{- fail (printf "models and ensembles declare %d bytes of files, and a pod carries at most 250000: put model files with long lists of labels into an image" $declared) -}}
{{- end -}}
{{- end -}}

{{/* Names that Kubernetes or KubeRay would refuse half way. */}}
{{- define "strata.check.names" -}}
{{- $door := include "strata.ensemble.name" . -}}
{{- if not (regexMatch "^[a-z][-a-z0-9]*$" .Release.Name) -}}
{{- fail (printf "release name %q: begin it with a letter, and go on with letters, digits and hyphens, as the name of the front door's Service, %q, must" .Release.Name $door) -}}
{{- end -}}
{{- if and (eq .Values.ensemble.ray "kuberay") (gt (len $door) 47) -}}
{{- fail (printf "release name %q: at most 38 characters with ensemble.ray kuberay, which takes 47 for a RayService, here %q" .Release.Name $door) -}}
{{- end -}}
{{- if and (eq .Values.ensemble.ray "kuberay") (ne (int64 .Values.ensemble.replicas) 1) -}}
{{- fail (printf "ensemble.replicas: %d, but with ensemble.ray kuberay there is one front door" (int64 .Values.ensemble.replicas)) -}}
{{- end -}}
{{- end -}}

{{/* The Services of the release's own, beside which no model and no stage may have one: name -> whose it is, as JSON. */}}
{{- define "strata.own.names" -}}
{{- $own := dict (include "strata.ensemble.name" .) "front door" -}}
{{- if .Values.spare.enabled }}{{ $_ := set $own (include "strata.spare.name" .) "spare pod" }}{{ end -}}
{{- if include "strata.store.own" . }}{{ $_ := set $own (include "strata.store.name" .) "store" }}{{ end -}}
{{- if .Values.workbench.enabled }}{{ $_ := set $own (include "strata.workbench.name" .) "workbench" }}{{ end -}}
{{- if .Values.console.enabled }}{{ $_ := set $own (include "strata.console.name" .) "console" }}{{ end -}}
{{- if include "strata.console.database.own" . }}{{ $_ := set $own (include "strata.console.database.name" .) "console's database" }}{{ end -}}
{{- $own | toJson -}}
{{- end -}}

{{/* Arguments: root, name. */}}
{{- define "strata.check.model" -}}
{{- $model := include "strata.model.values" . | fromJson -}}
{{- $of := printf "models.%s" .name -}}
{{- if not (or $model.file (has .name .root.Values.images.models)) -}}
{{- fail (printf "%s: no such model in the image, which has %s; correct the name, give the model a file, or add it to images.models" $of (join ", " .root.Values.images.models)) -}}
{{- end -}}
{{- include "strata.check.resources" (dict "of" $of "resources" $model.resources) -}}
{{- include "strata.check.resources" (dict "of" (printf "%s.queueProxy" $of) "resources" $model.queueProxy.resources) -}}
{{- if and $model.scale.max (gt (int64 $model.scale.min) (int64 $model.scale.max)) -}}
{{- fail (printf "%s: scale.min %d is over scale.max %d; raise max, or set it to 0 for no bound" $of (int64 $model.scale.min) (int64 $model.scale.max)) -}}
{{- end -}}
{{- include "strata.check.duration" (dict "of" (printf "%s: scale.window" $of) "duration" $model.scale.window "least" 6.0) -}}
{{- include "strata.check.duration" (dict "of" (printf "%s: scale.retention" $of) "duration" $model.scale.retention "least" 0.0) -}}
{{- end -}}

{{- define "strata.check.spare" -}}
{{- if not (include "strata.spare.folders" .) -}}
{{- fail "spare.enabled: every model has a file, and a spare pod has the models of the image alone" -}}
{{- end -}}
{{- include "strata.check.resources" (dict "of" "spare" "resources" .Values.spare.resources) -}}
{{- end -}}

{{- define "strata.check.workbench" -}}
{{- $workbench := .Values.workbench -}}
{{- include "strata.check.resources" (dict "of" "workbench" "resources" $workbench.resources) -}}
{{- include "strata.check.duration" (dict "of" "workbench: scale.window" "duration" $workbench.scale.window "least" 6.0) -}}
{{- include "strata.check.duration" (dict "of" "workbench: scale.retention" "duration" $workbench.scale.retention "least" 0.0) -}}
{{- end -}}

{{- define "strata.check.console" -}}
{{- $console := .Values.console -}}
{{- if not .Values.workbench.enabled -}}
{{- fail "console.enabled: the console needs the workbench; set workbench.enabled too" -}}
{{- end -}}
{{- if not $console.secret -}}
{{- fail "console.secret: name a Secret with the key `tokenKey`, and `database` unless console.database.own" -}}
{{- end -}}
{{- if not $console.store.url -}}
{{- fail "console.store.url: name a bucket for users' files, s3://BUCKET/PREFIX" -}}
{{- end -}}
{{- include "strata.check.resources" (dict "of" "console" "resources" $console.resources) -}}
{{- include "strata.check.resources" (dict "of" "console.database" "resources" $console.database.resources) -}}
{{- include "strata.check.duration" (dict "of" "console: scale.window" "duration" $console.scale.window "least" 6.0) -}}
{{- include "strata.check.duration" (dict "of" "console: scale.retention" "duration" $console.scale.retention "least" 0.0) -}}
{{- end -}}

{{/* What Knative takes as a duration: whole seconds, up to an hour. Arguments: of, duration, least. */}}
{{- define "strata.check.duration" -}}
{{- $seconds := include "strata.seconds" .duration | float64 -}}
{{- if or (lt $seconds .least) (gt $seconds 3600.0) (ne $seconds (floor $seconds)) -}}
{{- fail (printf "%s %s is not from %gs to 1h in whole seconds, as Knative takes it" .of .duration .least) -}}
{{- end -}}
{{- end -}}

{{/* A request over its limit: Kubernetes would say so to Knative alone, and no pod would ever start. Arguments: of, resources. */}}
{{- define "strata.check.resources" -}}
{{- range $resource, $request := .resources.requests -}}
{{- with get ($.resources.limits | default dict) $resource -}}
{{- if and (not (kindIs "invalid" $request)) (gt (include "strata.quantity" $request | float64) (include "strata.quantity" . | float64)) -}}
{{- fail (printf "%s: resources.requests.%s %v is over resources.limits.%s %v; lower the one or raise the other" $.of $resource $request $resource .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Each ensemble's members are models that it can call, and each has one name. */}}
{{- define "strata.check.ensembles" -}}
{{- $ensembles := include "strata.ensembles" . | fromJson -}}
{{- if not $ensembles -}}
{{- fail "ensemble.files and ensembles are both empty: a front door needs at least one ensemble; for models alone set ensemble.replicas to 0" -}}
{{- end -}}
{{- range $name, $_ := include "strata.present" .Values.ensembles | fromJson -}}
{{- if hasKey (include "strata.present" $.Values.ensemble.files | fromJson) $name -}}
{{- fail (printf "ensembles.%s: ensemble.files has an ensemble of this name; set that one to null, or choose another name" $name) -}}
{{- end -}}
{{- end -}}
{{- $callable := include "strata.ensemble.members" . | fromJson -}}
{{- range $name, $members := $ensembles -}}
{{- range $member := $members -}}
{{- if not (hasKey $callable $member) -}}
{{- fail (printf "ensemble %s: member %q is not one of the models with protocol grpc, or of the pipelines: %s; correct it, or set the ensemble to null in ensemble.files or ensembles" $name $member (keys $callable | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- if ne (len $members) (len (uniq $members)) -}}
{{- fail (printf "ensemble %s: a member is named twice in %s; each counts once" $name (join ", " $members)) -}}
{{- end -}}
{{- end -}}
{{- if not (hasKey $ensembles .Values.test.ensemble) -}}
{{- fail (printf "test.ensemble: %q is not one of the ensembles: %s" .Values.test.ensemble (keys $ensembles | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
