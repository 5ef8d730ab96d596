{{- define "strata.console.database.name" -}}
{{ .Release.Name }}-console-database
{{- end -}}

{{/* The console's own database is there where values ask for it. */}}
{{- define "strata.console.database.own" -}}
{{- if and .Values.console.enabled .Values.console.database.own -}}true{{- end -}}
{{- end -}}

{{/* Where the console finds its database: the release's own by its password, another by the URL in the Secret. */}}
{{- define "strata.console.database.variables" -}}
{{- if .Values.console.database.own }}
{{- $name := include "strata.console.database.name" . }}
- {{ include "strata.console.secretVariable" (dict "secret" $name "name" "DATABASE_PASSWORD" "key" "password") }}
- {name: CONSOLE_DATABASE, value: {{ printf "postgresql://strata:$(DATABASE_PASSWORD)@%s.%s.svc.%s/postgres" $name .Release.Namespace .Values.clusterDomain | quote }}}
{{- else }}
- {{ include "strata.console.secretVariable" (dict "secret" .Values.console.secret "name" "CONSOLE_DATABASE" "key" "database") }}
{{- end }}
{{- end -}}

{{/* PostgreSQL over one folder. */}}
{{- define "strata.console.database" -}}
{{- $database := .Values.console.database -}}
{{- $name := include "strata.console.database.name" . -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels: {{- include "strata.labels" (dict "root" . "component" "console-database") | nindent 4 }}
spec:
  replicas: 1
  # Two at a time would write the same folder.
  strategy: {type: Recreate}
  selector:
    matchLabels: {{- include "strata.selector" (dict "root" . "component" "console-database") | nindent 6 }}
  template:
    metadata:
      labels: {{- include "strata.podLabels" (dict "root" . "component" "console-database") | nindent 8 }}
    spec: {{- include "strata.pod" (dict "root" . "values" $database) | nindent 6 }}
      securityContext: {fsGroup: 10001}
      containers:
        - name: database
          {{- include "strata.image" (dict "root" . "image" "database") | nindent 10 }}
          env:
            - {{ include "strata.console.secretVariable" (dict "secret" $name "name" "DATABASE_PASSWORD" "key" "password") }}
          ports:
            - {name: postgresql, containerPort: 5432}
          readinessProbe:
            tcpSocket: {port: postgresql}
            periodSeconds: 2
          resources: {{- include "strata.resources" $database.resources | nindent 12 }}
          securityContext: {{- include "strata.securityContext" . | nindent 12 }}
          volumeMounts:
            - {name: data, mountPath: /data}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {{ include "strata.scratch" (dict "name" "tmp" "size" "64Mi") }}
        {{- with $database.claim }}
        - {name: data, persistentVolumeClaim: {claimName: {{ . | quote }}}}
        {{- else }}
        - {{ include "strata.scratch" (dict "name" "data" "size" $database.size) }}
        {{- end }}
{{- end -}}
