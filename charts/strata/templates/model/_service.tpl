{{/* One model as a Knative Service. Arguments: root, name. */}}
{{- define "strata.model.service" -}}
{{- $root := .root -}}
{{- $name := .name -}}
{{- $model := include "strata.model.values" . | fromJson -}}
{{- $files := empty $model.file | ternary (dict) (dict $name $model.file) -}}
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: {{ $name | quote }}
  labels: {{- include "strata.labels" (dict "root" $root "component" "model") | nindent 4 }}
    strata.dev/model: {{ $name | quote }}
spec:
  template:
    metadata:
      labels: {{- include "strata.podLabels" (dict "root" $root "component" "model") | nindent 8 }}
        strata.dev/model: {{ $name | quote }}
      annotations:
        autoscaling.knative.dev/min-scale: {{ include "strata.number" $model.scale.min | quote }}
        autoscaling.knative.dev/max-scale: {{ include "strata.number" $model.scale.max | quote }}
        autoscaling.knative.dev/window: {{ $model.scale.window | quote }}
        autoscaling.knative.dev/scale-to-zero-pod-retention-period: {{ $model.scale.retention | quote }}
        autoscaling.knative.dev/target-burst-capacity: {{ include "strata.number" $model.scale.burstCapacity | quote }}
        autoscaling.knative.dev/target: {{ include "strata.number" $model.concurrency.target | quote }}
        # Knative by default starts another pod at 70 % of the target.
        autoscaling.knative.dev/target-utilization-percentage: "100"
        {{- range $bound, $quantities := include "strata.resources" $model.queueProxy.resources | fromYaml }}
        {{- range $resource, $quantity := $quantities }}
        queue.sidecar.serving.knative.dev/{{ $resource }}-resource-{{ trimSuffix "s" $bound }}: {{ $quantity | quote }}
        {{- end }}
        {{- end }}
        {{- with $model.podAnnotations }}{{ toYaml . | nindent 8 }}{{ end }}
        {{- with include "strata.files.annotations" (dict "of" "model" "files" $files) }}{{ . | trim | nindent 8 }}{{ end }}
    spec: {{- include "strata.pod" (dict "root" $root "values" $model) | nindent 6 }}
      containerConcurrency: {{ include "strata.number" $model.concurrency.limit }}
      timeoutSeconds: {{ include "strata.number" $model.timeoutS }}
      containers:
        - name: model
          {{- include "strata.image" (dict "root" $root "image" "model") | nindent 10 }}
          env:
            - {name: MODEL_NAME, value: {{ $name | quote }}}
            {{- if $model.file }}
            - {name: STRATA_MODELS, value: {{ include "strata.files.folder" (dict "of" "model") }}}
            - {name: STRATA_CACHE, value: /tmp/strata}
            {{- else }}
            - {name: MODEL_COMPILED, value: {{ printf "/opt/strata/models/%s" $name | quote }}}
            {{- end }}
            - {name: MODEL_PROTOCOL, value: {{ $model.protocol }}}
            - {name: MODEL_MAX_QUEUE, value: {{ include "strata.number" $model.maxQueue | quote }}}
            - {name: MODEL_MAX_BATCH, value: {{ include "strata.number" $model.maxBatch | quote }}}
            - {name: MODEL_MAX_MESSAGE_BYTES, value: {{ include "strata.number" $model.maxMessageBytes | quote }}}
            {{- include "strata.tracing.environment" $root | nindent 12 }}
            {{- with $model.extraEnv }}{{ toYaml . | nindent 12 }}{{ end }}
          {{- with $model.secret }}
          envFrom:
            - secretRef: {name: {{ . | quote }}}
          {{- end }}
          ports:
            - name: {{ eq $model.protocol "grpc" | ternary "h2c" "http1" }}
              containerPort: 8080
          readinessProbe:
            {{- if eq $model.protocol "grpc" }}
            grpc: {port: 8080}
            {{- else }}
            httpGet: {path: /v2/health/ready, port: 8080}
            {{- end }}
            periodSeconds: 0
          resources: {{- include "strata.resources" $model.resources | nindent 12 }}
          securityContext: {{- include "strata.securityContext" $root | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- if $model.file }}
            - {{ include "strata.files.mount" (dict "of" "model") }}
            {{- end }}
      volumes:
        - {{ include "strata.scratch" (dict "name" "tmp" "size" $model.scratch) }}
        {{- if $model.file }}
        - {{- include "strata.files.volume" (dict "of" "model" "files" $files) | nindent 10 }}
        {{- end }}
  traffic:
    {{- with $model.traffic }}
    - {latestRevision: true, percent: {{ include "strata.number" .latestPercent }}}
    - {revisionName: {{ .stableRevision | quote }}, percent: {{ sub 100 (int64 .latestPercent) }}}
    {{- else }}
    - {latestRevision: true, percent: 100}
    {{- end }}
{{- end -}}
