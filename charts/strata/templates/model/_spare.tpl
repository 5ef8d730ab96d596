{{/* The spare pod, as a Deployment. */}}
{{- define "strata.spare.deployment" -}}
{{- $labels := dict "root" . "component" "spare" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "strata.spare.name" . }}
  labels: {{- include "strata.labels" $labels | nindent 4 }}
spec:
  # One: the front door's channel leads to one pod.
  replicas: 1
  selector:
    matchLabels: {{- include "strata.selector" $labels | nindent 6 }}
  template:
    metadata:
      labels: {{- include "strata.podLabels" $labels | nindent 8 }}
    spec: {{- include "strata.pod" (dict "root" . "values" .Values.spare) | nindent 6 }}
      # Longer than it drains, so that it can tell those whom it leaves.
      terminationGracePeriodSeconds: 60
      containers:
        - name: spare
          {{- include "strata.image" (dict "root" . "image" "model") | nindent 10 }}
          env:
            - {name: MODEL_SPARE, value: {{ include "strata.spare.folders" . | quote }}}
            # As Knative gives it to a model.
            - {name: PORT, value: "8080"}
            - {name: MODEL_REST_S, value: {{ include "strata.number" .Values.spare.restS | quote }}}
            - {name: MODEL_MAX_QUEUE, value: {{ include "strata.number" .Values.modelDefaults.maxQueue | quote }}}
            - {name: MODEL_MAX_BATCH, value: {{ include "strata.number" .Values.modelDefaults.maxBatch | quote }}}
            - {name: MODEL_MAX_MESSAGE_BYTES, value: {{ include "strata.number" .Values.modelDefaults.maxMessageBytes | quote }}}
            {{- include "strata.tracing.environment" . | nindent 12 }}
          ports:
            - {name: grpc, containerPort: 8080}
          readinessProbe:
            grpc: {port: 8080}
            periodSeconds: 2
          resources: {{- include "strata.resources" .Values.spare.resources | nindent 12 }}
          securityContext: {{- include "strata.securityContext" . | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {{ include "strata.scratch" (dict "name" "tmp" "size" "64Mi") }}
{{- end -}}
