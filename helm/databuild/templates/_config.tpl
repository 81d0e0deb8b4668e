{{/* The operator's configuration file. Keys are those of its own configuration; unknown ones would stop it. */}}

{{- define "databuild.config" -}}
bel:
  {{- if include "databuild.postgres" . }}
  uriFile: /etc/databuild/bel/uri
  {{- else }}
  uri: sqlite:///var/lib/databuild/bel.db
  {{- end }}
  hotEvents: {{ int64 .Values.bel.hotEvents }}
  retention:
    maxAge: {{ .Values.bel.retention.maxAge }}
    maxEvents: {{ int64 .Values.bel.retention.maxEvents }}
  verify: {{ .Values.bel.verify }}
dataDir: /var/lib/databuild
clusterId: {{ .Values.clusterId | quote }}
watchNamespaces: {{ .Values.watchNamespaces | toJson }}
watchNodes: {{ empty .Values.watchNamespaces }}
kubernetes:
  qps: {{ .Values.kubernetes.qps }}
  burst: {{ .Values.kubernetes.burst }}
  requestTimeout: {{ .Values.kubernetes.requestTimeout }}
  effectParallelism: {{ .Values.kubernetes.effectParallelism }}
lease:
  enabled: true
  name: {{ include "databuild.fullname" . }}
  namespace: {{ .Release.Namespace }}
  duration: {{ .Values.lease.duration }}
  renewDeadline: {{ .Values.lease.renewDeadline }}
  retryPeriod: {{ .Values.lease.retryPeriod }}
api:
  listen: {{ eq .Values.api.auth "none" | ternary "127.0.0.1:8080" "0.0.0.0:8080" | quote }}
  auth: {{ .Values.api.auth }}
  audiences: {{ .Values.api.audiences | toJson }}
  callerPolicy: {{ eq (include "databuild.callerPolicy" .) "true" }}
  keys:
    folder: {{ eq .Values.api.auth "kubernetes" | ternary "/etc/databuild/keys" "" | quote }}
    requestsPerSecond: {{ int .Values.api.keys.requestsPerSecond }}
  {{- if .Values.api.tls.existingSecret }}
  tls: {certFile: /etc/databuild/tls/tls.crt, keyFile: /etc/databuild/tls/tls.key}
  {{- end }}
  maxConnections: {{ int .Values.api.maxConnections }}
  maxHeaderBytes: {{ int .Values.api.maxHeaderBytes }}
  maxBodyBytes: {{ int .Values.api.maxBodyBytes }}
  maxRequestsPerCaller: {{ int .Values.api.maxRequestsPerCaller }}
  idleTimeout: {{ .Values.api.idleTimeout }}
  requestTimeout: {{ .Values.api.requestTimeout }}
metrics:
  listen: "0.0.0.0:9090"
jobs:
  wrapperImage: {{ include "databuild.image" . | quote }}
  wrapperImagePullPolicy: {{ .Values.image.pullPolicy }}
  serviceAccounts: {{ eq (include "databuild.serviceAccountPolicy" .) "true" }}
  keepFinishedFor: {{ .Values.jobs.keepFinishedFor }}
logs:
  enabled: {{ .Values.logs.enabled }}
  streams: {{ int .Values.logs.streams }}
  deadline: {{ .Values.logs.deadline }}
  retention: {{ .Values.logs.retention }}
  metrics: {{ .Values.logs.metrics | toJson }}
  metricSeries: {{ int .Values.logs.metricSeries }}
peers: {{ .Values.peers | toJson }}
limits:
  runs: {{ int .Values.limits.runs }}
  runsPerGraph: {{ int .Values.limits.runsPerGraph }}
log:
  level: {{ .Values.log.level }}
shutdown:
  timeout: 25s
{{- end -}}
