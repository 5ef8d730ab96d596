{{/* One stage as a Knative Service. Arguments: root, name (the pipeline's), number, stage. */}}
{{- define "strata.stage.service" -}}
{{- $root := .root -}}
{{- $pipeline := include "strata.pipeline.values" . | fromJson -}}
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: {{ include "strata.stage.name" . | quote }}
  labels: {{- include "strata.labels" (dict "root" $root "component" "stage") | nindent 4 }}
    strata.dev/pipeline: {{ .name | quote }}
spec:
  template:
    metadata:
      labels: {{- include "strata.podLabels" (dict "root" $root "component" "stage") | nindent 8 }}
        strata.dev/pipeline: {{ .name | quote }}
      annotations:
        autoscaling.knative.dev/min-scale: {{ include "strata.number" $pipeline.scale.min | quote }}
        autoscaling.knative.dev/max-scale: {{ include "strata.number" $pipeline.scale.max | quote }}
        autoscaling.knative.dev/window: {{ $pipeline.scale.window | quote }}
        autoscaling.knative.dev/scale-to-zero-pod-retention-period: {{ $pipeline.scale.retention | quote }}
        autoscaling.knative.dev/target: "1"
        # The whole of it: by default Knative starts another pod at 70 %, which is two pods for a single request.
        autoscaling.knative.dev/target-utilization-percentage: "100"
        # Each record is handed to a pod that has none.
        autoscaling.knative.dev/target-burst-capacity: "-1"
        {{- with $pipeline.podAnnotations }}{{ toYaml . | nindent 8 }}{{ end }}
    spec: {{- include "strata.pod" (dict "root" $root "values" $pipeline) | nindent 6 }}
      # One record at a time, as a function has it: more of them start more pods.
      containerConcurrency: 1
      timeoutSeconds: {{ include "strata.number" $pipeline.timeoutS }}
      containers:
        - name: stage
          {{- include "strata.image" (dict "root" $root "image" "stage") | nindent 10 }}
          env:
            - {name: STAGE_COMPILED, value: {{ printf "%s/%d" (include "strata.pipeline.url" .) (int .number) | quote }}}
            - {name: STAGE_STORES, value: {{ $root.Values.store.url | quote }}}
            - {name: STAGE_MICRO_BATCH, value: {{ include "strata.number" $pipeline.microBatch | quote }}}
            {{- include "strata.store.environment" $root | nindent 12 }}
            {{- include "strata.tracing.environment" $root | nindent 12 }}
            {{- with $pipeline.extraEnv }}{{ toYaml . | nindent 12 }}{{ end }}
          ports:
            - {name: h2c, containerPort: 8080}
          readinessProbe:
            grpc: {port: 8080}
            periodSeconds: 0
          resources:
            requests: {cpu: {{ $pipeline.requests.cpu | quote }}, memory: {{ .stage.memory | quote }}, ephemeral-storage: 64Mi}
            limits: {cpu: {{ $pipeline.limits.cpu | quote }}, memory: {{ .stage.memory | quote }}, ephemeral-storage: {{ include "strata.stage.storage" $pipeline }}}
          securityContext: {{- include "strata.securityContext" $root | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {{ include "strata.scratch" (dict "name" "tmp" "size" $pipeline.scratch) }}
  traffic:
    - {latestRevision: true, percent: 100}
{{- end -}}
