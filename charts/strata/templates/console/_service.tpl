{{- define "strata.console.name" -}}
{{ .Release.Name }}-console
{{- end -}}

{{/* One variable out of the console's Secret. Arguments: secret, name, key. */}}
{{- define "strata.console.secretVariable" -}}
{name: {{ .name }}, valueFrom: {secretKeyRef: {name: {{ .secret | quote }}, key: {{ .key }}}}}
{{- end -}}

{{/* The console as a Knative Service of one pod at most: runs under way are in its memory. */}}
{{- define "strata.console.service" -}}
{{- $console := .Values.console -}}
{{- $workbench := printf "%s.%s.svc.%s" (include "strata.workbench.name" .) .Release.Namespace .Values.clusterDomain -}}
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: {{ include "strata.console.name" . | quote }}
  labels: {{- include "strata.labels" (dict "root" . "component" "console") | nindent 4 }}
spec:
  template:
    metadata:
      labels: {{- include "strata.podLabels" (dict "root" . "component" "console") | nindent 8 }}
      annotations:
        autoscaling.knative.dev/min-scale: {{ include "strata.number" $console.scale.min | quote }}
        autoscaling.knative.dev/max-scale: "1"
        autoscaling.knative.dev/window: {{ $console.scale.window | quote }}
        autoscaling.knative.dev/scale-to-zero-pod-retention-period: {{ $console.scale.retention | quote }}
        {{- with $console.podAnnotations }}{{ toYaml . | nindent 8 }}{{ end }}
    {{- $counts := and $console.countPods .Values.ensemble.replicas }}
    spec: {{- include "strata.pod" (dict "root" . "values" $console "token" (not (not $counts))) | nindent 6 }}
      {{- if $counts }}
      serviceAccountName: {{ include "strata.console.name" . | quote }}
      {{- end }}
      containerConcurrency: 0
      timeoutSeconds: {{ include "strata.number" $console.timeoutS }}
      containers:
        - name: console
          {{- include "strata.image" (dict "root" . "image" "console") | nindent 10 }}
          env:
            - {name: CONSOLE_HTTP_ADDRESS, value: "0.0.0.0:8080"}
            {{- include "strata.console.database.variables" . | nindent 12 }}
            - {{ include "strata.console.secretVariable" (dict "secret" $console.secret "name" "CONSOLE_TOKEN_KEY" "key" "tokenKey") }}
            - {name: CONSOLE_WORKBENCH, value: {{ printf "%s:80" $workbench | quote }}}
            - {name: CONSOLE_WORKBENCH_AUTHORITY, value: {{ $workbench | quote }}}
            - {name: CONSOLE_STORE, value: {{ $console.store.url | quote }}}
            - {name: CONSOLE_FILE_BYTES, value: {{ include "strata.number" $console.fileBytes | quote }}}
            - {name: CONSOLE_QUOTA_BYTES, value: {{ include "strata.number" $console.quotaBytes | quote }}}
            - {name: CONSOLE_SECURE_COOKIES, value: {{ $console.secureCookies | quote }}}
            - {name: AWS_REGION, value: {{ $console.store.region | quote }}}
            {{- with $console.store.endpoint }}
            - {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
            {{- end }}
            {{- if $counts }}
            - {name: CONSOLE_RELEASE, value: {{ .Release.Name | quote }}}
            {{- end }}
            {{- if .Values.ensemble.replicas }}
            - {name: CONSOLE_ENSEMBLES, value: {{ printf "http://%s.%s.svc.%s:%s" (include "strata.ensemble.name" .) .Release.Namespace .Values.clusterDomain (include "strata.number" .Values.ensemble.service.httpPort) | quote }}}
            {{- end }}
            {{- with $console.pipelines }}
            - {name: CONSOLE_JOBS, value: {{ join "," . | quote }}}
            {{- end }}
            {{- with $console.extraEnv }}{{ toYaml . | nindent 12 }}{{ end }}
          {{- with $console.store.secret }}
          envFrom:
            - secretRef: {name: {{ . | quote }}}
          {{- end }}
          ports:
            - containerPort: 8080
          readinessProbe:
            httpGet: {path: /readyz, port: 8080}
            periodSeconds: 0
          resources: {{- include "strata.resources" $console.resources | nindent 12 }}
          securityContext: {{- include "strata.securityContext" . | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {{ include "strata.scratch" (dict "name" "tmp" "size" $console.scratch) }}
  traffic:
    - {latestRevision: true, percent: 100}
{{- end -}}
