{{/* Names and labels that several templates share. */}}

{{- define "databuild.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "databuild.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "databuild.labels" -}}
{{ include "databuild.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{- define "databuild.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "databuild.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: without serviceAccount.create name an account that exists" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Cluster-wide names carry the namespace, so that two releases do not collide. */}}
{{- define "databuild.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "databuild.fullname" .) -}}
{{- end -}}

{{- define "databuild.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Not empty when the log lives in Postgres. */}}
{{- define "databuild.postgres" -}}
{{- .Values.bel.postgres.existingSecret -}}
{{- end -}}

{{/* Combinations of values that cannot work. */}}
{{- define "databuild.checkValues" -}}
{{- if and (gt (int .Values.replicas) 1) (not (include "databuild.postgres" .)) -}}
{{- fail "replicas: SQLite bears one replica only; set bel.postgres.existingSecret for more" -}}
{{- end -}}
{{- if has .Release.Namespace .Values.watchNamespaces -}}
{{- fail (printf "watchNamespaces: %s is the operator's own namespace, which is never a graph" .Release.Namespace) -}}
{{- end -}}
{{- $names := list -}}
{{- range .Values.peers -}}
{{- if has .name $names -}}
{{- fail (printf "peers: %s stands there twice" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}

{{/* The port of an address such as https://databuild.treasury:8080. */}}
{{- define "databuild.portOf" -}}
{{- $address := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $address.host | trimPrefix ":" -}}
{{- $port | default (eq $address.scheme "https" | ternary "443" "80") -}}
{{- end -}}

{{/* "true" if the policy on the callers of the API is part of the release. */}}
{{- define "databuild.callerPolicy" -}}
{{- and .Values.api.callerPolicy (eq .Values.api.auth "kubernetes") (not .Values.watchNamespaces) | ternary "true" "false" -}}
{{- end -}}

{{/* "true" if the policy on the service accounts of runs is part of the release: it is cluster-wide, as its rights are. */}}
{{- define "databuild.serviceAccountPolicy" -}}
{{- and .Values.jobs.serviceAccountPolicy (not .Values.watchNamespaces) | ternary "true" "false" -}}
{{- end -}}
