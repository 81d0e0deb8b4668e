{{/* The pod of the operator, the same in the StatefulSet (SQLite) and in the Deployment (Postgres). */}}

{{- define "databuild.podTemplate" -}}
metadata:
  labels:
    {{- include "databuild.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include "databuild.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "databuild.serviceAccountName" . }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
  - name: operator
    image: {{ include "databuild.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: [--config=/etc/databuild/config.yaml]
    env:
    - name: POD_NAME
      valueFrom: {fieldRef: {fieldPath: metadata.name}}
    - name: POD_NAMESPACE
      valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
    - name: DATABUILD_IMAGE
      value: {{ include "databuild.image" . | quote }}
    {{- with .Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    ports:
    {{- if eq .Values.api.auth "kubernetes" }}
    - {name: api, containerPort: 8080, protocol: TCP}
    {{- end }}
    - {name: metrics, containerPort: 9090, protocol: TCP}
    startupProbe:
      httpGet: {path: /livez, port: metrics}
      periodSeconds: 2
      timeoutSeconds: 5
      failureThreshold: 150
    livenessProbe:
      httpGet: {path: /livez, port: metrics}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet: {path: /readyz, port: metrics}
      periodSeconds: 2
      timeoutSeconds: 5
      failureThreshold: 3
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    securityContext:
      {{- toYaml .Values.securityContext | nindent 6 }}
    terminationMessagePolicy: FallbackToLogsOnError
    volumeMounts:
    - {name: config, mountPath: /etc/databuild/config.yaml, subPath: config.yaml, readOnly: true}
    - {name: data, mountPath: /var/lib/databuild}
    - {name: tmp, mountPath: /tmp}
    {{- if include "databuild.postgres" . }}
    - {name: bel-uri, mountPath: /etc/databuild/bel, readOnly: true}
    {{- end }}
    {{- if eq .Values.api.auth "kubernetes" }}
    - {name: api-keys, mountPath: /etc/databuild/keys, readOnly: true}
    {{- end }}
    {{- if .Values.api.tls.existingSecret }}
    - {name: tls, mountPath: /etc/databuild/tls, readOnly: true}
    {{- end }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
  - name: config
    configMap: {name: {{ include "databuild.fullname" . }}}
  - name: tmp
    emptyDir: {sizeLimit: 256Mi}
  {{- if include "databuild.postgres" . }}
  - name: data
    emptyDir: {}
  - name: bel-uri
    secret:
      secretName: {{ .Values.bel.postgres.existingSecret }}
      defaultMode: 0440
      items: [{key: {{ .Values.bel.postgres.key | quote }}, path: uri}]
  {{- end }}
  {{- if eq .Values.api.auth "kubernetes" }}
  - name: api-keys
    secret:
      secretName: {{ default (printf "%s-api-keys" (include "databuild.fullname" .)) .Values.api.keys.secret }}
      optional: true
      defaultMode: 0440
  {{- end }}
  {{- with .Values.api.tls.existingSecret }}
  - name: tls
    secret: {secretName: {{ . }}, defaultMode: 0440}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
