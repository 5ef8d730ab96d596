{{/* An S3 server over one folder: versitygw. */}}
{{- define "strata.store.deployment" -}}
{{- $bucket := trimPrefix "s3://" .Values.store.url | splitList "/" | first }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "strata.store.name" . }}
  labels: {{- include "strata.labels" (dict "root" . "component" "store") | nindent 4 }}
spec:
  replicas: 1
  # Two at a time would write the same folder.
  strategy: {type: Recreate}
  selector:
    matchLabels: {{- include "strata.selector" (dict "root" . "component" "store") | nindent 6 }}
  template:
    metadata:
      labels: {{- include "strata.podLabels" (dict "root" . "component" "store") | nindent 8 }}
    spec: {{- include "strata.pod" (dict "root" . "values" .Values.store.versitygw) | nindent 6 }}
      securityContext: {fsGroup: 10001}
      initContainers:
        # A bucket is a folder.
        - name: bucket
          {{- include "strata.image" (dict "root" . "image" "stage") | nindent 10 }}
          command: [mkdir, -p, {{ printf "/data/objects/%s" $bucket | quote }}, /data/metadata]
          resources: {{- include "strata.task.resources" . | nindent 12 }}
          securityContext: {{- include "strata.securityContext" . | nindent 12 }}
          volumeMounts:
            - {name: data, mountPath: /data}
      containers:
        - name: versitygw
          image: {{ .Values.store.versitygw.image | quote }}
          imagePullPolicy: {{ .Values.images.pullPolicy }}
          args: [--port, ":7070", --quiet, posix, --sidecar, /data/metadata, /data/objects]
          env:
            - {name: ROOT_ACCESS_KEY, valueFrom: {secretKeyRef: {name: {{ include "strata.store.secret" . | quote }}, key: AWS_ACCESS_KEY_ID}}}
            - {name: ROOT_SECRET_KEY, valueFrom: {secretKeyRef: {name: {{ include "strata.store.secret" . | quote }}, key: AWS_SECRET_ACCESS_KEY}}}
          ports:
            - {name: s3, containerPort: 7070}
          readinessProbe:
            tcpSocket: {port: s3}
            periodSeconds: 2
          resources: {{- include "strata.resources" .Values.store.versitygw.resources | nindent 12 }}
          securityContext: {{- include "strata.securityContext" . | nindent 12 }}
          volumeMounts:
            - {name: data, mountPath: /data}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {{ include "strata.scratch" (dict "name" "tmp" "size" "64Mi") }}
        {{- with .Values.store.versitygw.claim }}
        - {name: data, persistentVolumeClaim: {claimName: {{ . | quote }}}}
        {{- else }}
        - {{ include "strata.scratch" (dict "name" "data" "size" .Values.store.versitygw.size) }}
        {{- end }}
{{- end -}}
