{{/* What the operator may do in the namespace of a graph, each verb for a reason. */}}

{{- define "databuild.graphRules" -}}
# Read what is declared; create what callers of the API put; delete only Wants, after their spec.deleteAfter.
- apiGroups: [databuild.dev]
  resources: [wants]
  verbs: [get, list, watch, create, delete]
- apiGroups: [databuild.dev]
  resources: [taints]
  verbs: [get, list, watch, create]
- apiGroups: [databuild.dev]
  resources: [datajobs]
  verbs: [get, list, watch]
- apiGroups: [databuild.dev]
  resources: [wants/status, taints/status, datajobs/status]
  verbs: [patch, update]
# One Job for each job run.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
# Read how a run goes and ends. create serves the dry run of a DataJob's pod template; no pod is made that way.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# Read why a Job cannot make its pod; tell users what happened to their objects.
- apiGroups: [""]
  resources: [events]
  verbs: [get, list, watch, create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
