{{/*
What a short task of the release may ask Kubernetes: a service account, its role and their binding, which last for as long
as the task. Arguments: root, name, component, hook, rules.
*/}}
{{- define "strata.task.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata: {{- include "strata.task.metadata" (merge (dict "weight" 0) .) | nindent 2 }}
automountServiceAccountToken: true
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{- include "strata.task.metadata" (merge (dict "weight" 0) .) | nindent 2 }}
rules:
  - apiGroups: [""]
    resources: [pods]
    verbs: [list]
  - apiGroups: [serving.knative.dev]
    resources: [services, revisions]
    verbs: [list]
  - apiGroups: [apps, ray.io]
    resources: [deployments, rayservices]
    verbs: [list]
  {{- with .rules }}{{ . | nindent 2 }}{{ end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{- include "strata.task.metadata" (merge (dict "weight" 1) .) | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ .name | quote }}}
subjects:
  - {kind: ServiceAccount, name: {{ .name | quote }}, namespace: {{ .root.Release.Namespace | quote }}}
{{- end -}}

{{/* Metadata of an object that exists while a task runs. Arguments: root, name, component, hook, weight, keep (true for a pod with logs). */}}
{{- define "strata.task.metadata" -}}
name: {{ .name | quote }}
labels: {{- include "strata.labels" (dict "root" .root "component" .component) | nindent 2 }}
annotations:
  helm.sh/hook: {{ .hook }}
  helm.sh/hook-weight: {{ .weight | quote }}
  helm.sh/hook-delete-policy: before-hook-creation{{ if not .keep }},hook-succeeded{{ end }}
{{- end -}}

{{/* A container that runs `python -m services.cluster`. Arguments: root, name, arguments, waitS. */}}
{{- define "strata.task.container" -}}
name: {{ .name }}
{{ include "strata.image" (dict "root" .root "image" "ensemble") }}
command: {{ concat (list "python" "-m" "services.cluster") .arguments | toJson }}
env:
  - {name: STRATA_RELEASE, value: {{ .root.Release.Name | quote }}}
  - {name: STRATA_WAIT_S, value: {{ .waitS | quote }}}
resources: {{- include "strata.task.resources" . | nindent 2 }}
securityContext: {{- include "strata.securityContext" . | nindent 2 }}
{{- end -}}
