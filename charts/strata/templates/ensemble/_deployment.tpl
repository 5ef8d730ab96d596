{{/* The front door beside a Ray head of its own. */}}
{{- define "strata.ensemble.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "strata.ensemble.name" . }}
  labels: {{- include "strata.labels" (dict "root" . "component" "ensemble") | nindent 4 }}
spec:
  replicas: {{ include "strata.number" .Values.ensemble.replicas }}
  # The old pod answers until the new one does.
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector:
    matchLabels: {{- include "strata.selector" (dict "root" . "component" "ensemble") | nindent 6 }}
  template:
    metadata:
      labels: {{- include "strata.podLabels" (dict "root" . "component" "ensemble") | nindent 8 }}
      {{- with include "strata.ensemble.annotations" . }}
      annotations: {{- . | trim | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "strata.ensemble.name" . }}
      {{- include "strata.pod" (dict "root" . "values" .Values.ensemble) | nindent 6 }}
      terminationGracePeriodSeconds: 60
      {{- if .Values.ensemble.receipts.claim }}
      securityContext: {fsGroup: 10001}
      {{- end }}
      containers:
        - {{- include "strata.ensemble.container" . | nindent 10 }}
      volumes: {{- include "strata.ensemble.volumes" . | nindent 8 }}
{{- end -}}
