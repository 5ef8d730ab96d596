{{- define "strata.workbench.name" -}}
{{ .Release.Name }}-workbench
{{- end -}}

{{/* The workbench as a Knative Service of one pod at most. */}}
{{- define "strata.workbench.service" -}}
{{- $workbench := .Values.workbench -}}
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: {{ include "strata.workbench.name" . | quote }}
  labels: {{- include "strata.labels" (dict "root" . "component" "workbench") | nindent 4 }}
spec:
  template:
    metadata:
      labels: {{- include "strata.podLabels" (dict "root" . "component" "workbench") | nindent 8 }}
      annotations:
        autoscaling.knative.dev/min-scale: {{ include "strata.number" $workbench.scale.min | quote }}
        autoscaling.knative.dev/max-scale: "1"
        autoscaling.knative.dev/window: {{ $workbench.scale.window | quote }}
        autoscaling.knative.dev/scale-to-zero-pod-retention-period: {{ $workbench.scale.retention | quote }}
        {{- with $workbench.podAnnotations }}{{ toYaml . | nindent 8 }}{{ end }}
    spec: {{- include "strata.pod" (dict "root" . "values" $workbench) | nindent 6 }}
      containerConcurrency: 0
      timeoutSeconds: {{ include "strata.number" $workbench.timeoutS }}
      containers:
        - name: workbench
          {{- include "strata.image" (dict "root" . "image" "workbench") | nindent 10 }}
          env:
            - {name: WORKBENCH_GRPC_ADDRESS, value: "0.0.0.0:8080"}
            - {name: WORKBENCH_STORE, value: {{ $workbench.store.url | default "/tmp/workbench" | quote }}}
            - {name: WORKBENCH_MAX_CALLS, value: {{ include "strata.number" $workbench.maxCalls | quote }}}
            - {name: WORKBENCH_MAX_MESSAGE_BYTES, value: {{ include "strata.number" $workbench.maxMessageBytes | quote }}}
            - {name: WORKBENCH_UPLOAD_BYTES, value: {{ include "strata.number" $workbench.uploadBytes | quote }}}
            {{- if $workbench.store.url }}
            - {name: AWS_REGION, value: {{ $workbench.store.region | quote }}}
            {{- with $workbench.store.endpoint }}
            - {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
            {{- end }}
            {{- end }}
            {{- if .Values.console.enabled }}
            - {{ include "strata.console.secretVariable" (dict "secret" .Values.console.secret "name" "WORKBENCH_TOKEN_KEY" "key" "tokenKey") }}
            {{- end }}
            {{- with $workbench.extraEnv }}{{ toYaml . | nindent 12 }}{{ end }}
          {{- with $workbench.store.secret }}
          envFrom:
            - secretRef: {name: {{ . | quote }}}
          {{- end }}
          ports:
            - name: h2c
              containerPort: 8080
          readinessProbe:
            grpc: {port: 8080}
            periodSeconds: 0
          resources: {{- include "strata.resources" $workbench.resources | nindent 12 }}
          securityContext: {{- include "strata.securityContext" . | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {{ include "strata.scratch" (dict "name" "tmp" "size" $workbench.scratch) }}
  traffic:
    - {latestRevision: true, percent: 100}
{{- end -}}
