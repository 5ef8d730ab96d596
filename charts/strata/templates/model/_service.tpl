{{/* One model as a Knative Service. Arguments: root, name. */}}
{{- define "strata.model.service" -}}
{{- $root := .root -}}
{{- $name := .name -}}
{{- $model := include "strata.model.values" . | fromYaml -}}
{{- $files := empty $model.file | ternary (dict) (dict $name $model.file) -}}
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: {{ $name }}
  labels: {{- include "strata.labels" (dict "root" $root "component" "model") | nindent 4 }}
    strata.dev/model: {{ $name }}
spec:
  template:
    metadata:
      labels: {{- include "strata.podLabels" (dict "root" $root "component" "model") | nindent 8 }}
        strata.dev/model: {{ $name }}
      annotations:
        autoscaling.knative.dev/min-scale: {{ $model.scale.min | quote }}
        autoscaling.knative.dev/max-scale: {{ $model.scale.max | quote }}
        autoscaling.knative.dev/window: {{ $model.scale.window | quote }}
        autoscaling.knative.dev/scale-to-zero-pod-retention-period: {{ $model.scale.retention | quote }}
        autoscaling.knative.dev/target-burst-capacity: {{ $model.scale.burstCapacity | quote }}
        autoscaling.knative.dev/target: {{ $model.concurrency.target | quote }}
        {{- with include "strata.files.annotations" (dict "of" "model" "files" $files) }}{{ . | trim | nindent 8 }}{{ end }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      containerConcurrency: {{ $model.concurrency.limit }}
      timeoutSeconds: {{ $model.timeoutS }}
      {{- with $root.Values.images.pullSecrets }}
      imagePullSecrets: {{- range . }}
        - name: {{ . }}
      {{- end }}
      {{- end }}
      containers:
        - name: model
          image: {{ $root.Values.images.model }}
          imagePullPolicy: {{ $root.Values.images.pullPolicy }}
          env:
            - {name: MODEL_NAME, value: {{ $name | quote }}}
            {{- if $model.file }}
            - {name: STRATA_MODELS, value: {{ include "strata.files.folder" (dict "of" "model") }}}
            - {name: STRATA_CACHE, value: /tmp/strata}
            {{- else }}
            - {name: MODEL_COMPILED, value: /opt/strata/models/{{ $name }}}
            {{- end }}
            - {name: MODEL_PROTOCOL, value: {{ $model.protocol }}}
            - {name: MODEL_MAX_QUEUE, value: {{ $model.maxQueue | quote }}}
            - {name: MODEL_MAX_BATCH, value: {{ $model.maxBatch | quote }}}
            - {name: MODEL_MAX_MESSAGE_BYTES, value: {{ $model.maxMessageBytes | int | quote }}}
          {{- with $model.secret }}
          envFrom:
            - secretRef: {name: {{ . }}}
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
          resources: {{- toYaml $model.resources | nindent 12 }}
          securityContext: {{- include "strata.securityContext" $root | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- if $model.file }}
            - {{ include "strata.files.mount" (dict "of" "model") }}
            {{- end }}
      volumes:
        - {name: tmp, emptyDir: {sizeLimit: {{ $model.scratch }}}}
        {{- if $model.file }}
        - {{- include "strata.files.volume" (dict "of" "model" "files" $files) | nindent 10 }}
        {{- end }}
  traffic:
    {{- with $model.traffic }}
    - {latestRevision: true, percent: {{ .latestPercent }}}
    - {revisionName: {{ .stableRevision }}, percent: {{ sub 100 (int .latestPercent) }}}
    {{- else }}
    - {latestRevision: true, percent: 100}
    {{- end }}
{{- end -}}
