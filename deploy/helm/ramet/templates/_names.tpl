{{/* Names, labels, and what is derived of several values. The context is always the root; a list where a component is needed. */}}

{{/* At most 40 characters, so that what is put behind fits too; a longer one is told apart by a hash. */}}
{{- define "ramet.fullname" -}}
{{- $name := .Values.nameOverride | default (contains "ramet" .Release.Name | ternary .Release.Name (printf "%s-ramet" .Release.Name)) -}}
{{- if gt (len $name) 40 -}}
{{- printf "%s-%s" (trunc 31 $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{/* What selectors use, and so never changes. (list root component) */}}
{{- define "ramet.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: ramet
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/*
Of pods: nothing in them changes with the chart's version, which would restart all. A mesh's proxy would end before a worker has handed over,
and never in a job; the members have TLS of their own. (list root component)
*/}}
{{- define "ramet.podLabels" -}}
{{- $root := index . 0 -}}
{{- $ours := dict "app.kubernetes.io/managed-by" $root.Release.Service "sidecar.istio.io/inject" "false" -}}
{{- merge $ours (include "ramet.selector" . | fromYaml) $root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* Of objects. (list root component) */}}
{{- define "ramet.labels" -}}
{{- $root := index . 0 -}}
{{- $chart := printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_") -}}
{{- $ours := dict "helm.sh/chart" $chart "app.kubernetes.io/version" ($root.Chart.AppVersion | toString) -}}
{{- merge $ours (omit (include "ramet.podLabels" . | fromYaml) "sidecar.istio.io/inject") | toYaml -}}
{{- end -}}

{{/* Labels by which a policy finds pods; those of the Dask operator's pods are its own. (list root component) */}}
{{- define "ramet.members" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- if and $root.Values.operator.enabled (has $component (list "scheduler" "worker")) -}}
dask.org/cluster-name: {{ include "ramet.fullname" $root }}
dask.org/component: {{ $component }}
{{- else -}}
{{- include "ramet.selector" . -}}
{{- end -}}
{{- end -}}

{{/* Of a policy: the release's pods of these components (list root component…) */}}
{{- define "ramet.peers" -}}
{{- range $component := rest . }}
- podSelector:
    matchLabels: {{- include "ramet.members" (list (first $) $component) | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "ramet.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ramet.schedulerAddress" -}}
{{- $port := .Values.operator.enabled | ternary 8786 .Values.scheduler.service.port -}}
{{ .Values.tls.enabled | ternary "tls" "tcp" }}://{{ include "ramet.fullname" . }}-scheduler.{{ .Release.Namespace }}.svc:{{ $port }}
{{- end -}}

{{- define "ramet.tlsSecret" -}}
{{- .Values.tls.existingSecret | default (printf "%s-tls" (include "ramet.fullname" .)) -}}
{{- end -}}

{{/* The folders that are mounted, as YAML: {data: {…}, …} */}}
{{- define "ramet.folders" -}}
{{- range $name := list "data" "models" "checkpoints" -}}
{{- $folder := index $.Values.storage $name -}}
{{- if or $folder.enabled $folder.existingClaim $folder.nfs.server }}
{{ $name }}: {{ $folder | toJson }}
{{- end -}}
{{- end -}}
{{- end -}}
