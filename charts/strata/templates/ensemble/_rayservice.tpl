{{/* The front door beside a Ray head that KubeRay starts. */}}
{{- define "strata.ensemble.rayservice" -}}
apiVersion: ray.io/v1
kind: RayService
metadata:
  name: {{ include "strata.ensemble.name" . }}
  labels: {{- include "strata.labels" (dict "root" . "component" "ensemble") | nindent 4 }}
spec:
  serveConfigV2: |
    applications:
      - name: strata
        import_path: services.ensemble.ray_app:app
        route_prefix: null
  rayClusterConfig:
    rayVersion: 2.60.0
    authOptions: {mode: token, secretName: {{ include "strata.ensemble.name" . }}-ray}
    headGroupSpec:
      rayStartParams: {dashboard-host: 0.0.0.0, num-cpus: "1"}
      template:
        metadata:
          labels: {{- include "strata.podLabels" (dict "root" . "component" "ensemble") | nindent 12 }}
          {{- with include "strata.ensemble.annotations" . }}
          annotations: {{- . | trim | nindent 12 }}
          {{- end }}
        spec:
          serviceAccountName: {{ include "strata.ensemble.name" . }}
          {{- include "strata.pod" (dict "root" . "values" .Values.ensemble) | nindent 10 }}
          # A raylet serves only processes that it sees.
          shareProcessNamespace: true
          terminationGracePeriodSeconds: 60
          containers:
            # The head is the first container, as KubeRay wants it. The front door joins it through the shared /tmp and /dev/shm.
            - name: ray-head
              {{- include "strata.image" (dict "root" . "image" "ensemble") | nindent 14 }}
              env: {{- (include "strata.ensemble.container" . | fromYaml).env | toYaml | nindent 16 }}
                - {name: RAY_SERVE_THROUGHPUT_OPTIMIZED, value: "1"}
                - {name: RAY_SERVE_ENABLE_DIRECT_INGRESS, value: "0"}
                - {name: RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH, value: {{ .Values.ensemble.maxMessageBytes | int64 | add 1048576 | quote }}}
                - {name: RAY_USAGE_STATS_ENABLED, value: "0"}
              ports:
                - {name: gcs-server, containerPort: 6379}
                - {name: dashboard, containerPort: 8265}
                - {name: client, containerPort: 10001}
              # The operator's own need wget, which the image does not have.
              readinessProbe:
                tcpSocket: {port: gcs-server}
                periodSeconds: 2
              livenessProbe:
                tcpSocket: {port: gcs-server}
                initialDelaySeconds: 60
                periodSeconds: 10
              resources: {{- include "strata.resources" .Values.ensemble.resources | nindent 16 }}
              securityContext: {{- include "strata.securityContext" . | nindent 16 }}
              volumeMounts: {{- include "strata.ensemble.mounts" . | nindent 16 }}
            - {{- include "strata.ensemble.container" . | nindent 14 }}
          {{- if .Values.ensemble.receipts.claim }}
          securityContext: {fsGroup: 10001}
          {{- end }}
          volumes: {{- include "strata.ensemble.volumes" . | nindent 12 }}
{{- end -}}
