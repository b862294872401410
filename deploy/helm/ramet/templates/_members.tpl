{{/* The specs of scheduler and worker pods, for the chart's own objects and for the Dask operator's. */}}

{{- define "ramet.scheduler" -}}
{{- $part := dict "root" . "values" .Values.scheduler "component" "scheduler" "scratch" (dict "size" "2Gi" "storageClass" "") -}}
{{- include "ramet.pod" $part }}
terminationGracePeriodSeconds: 30
{{- with include "ramet.initContainers" $part }}
{{ . }}
{{- end }}
containers:
  - name: scheduler
    {{- include "ramet.container" . | nindent 4 }}
    args:
      - dask
      - scheduler
      - --protocol={{ .Values.tls.enabled | ternary "tls" "tcp" }}
      - --port=8786
      - --dashboard-address=127.0.0.1:8787
    {{- include "ramet.env" $part | nindent 4 }}
    ports:
      - {name: tcp-comm, containerPort: 8786}
      {{- if .Values.operator.enabled }}
      - {name: http-dashboard, containerPort: 8787}
      {{- end }}
    startupProbe:
      {{- include "ramet.health" 8787 | nindent 6 }}
      periodSeconds: 2
      failureThreshold: 90
    readinessProbe:
      {{- include "ramet.health" 8787 | nindent 6 }}
      periodSeconds: 15
      failureThreshold: 4
    livenessProbe:  # silent for ten minutes: it hangs
      {{- include "ramet.health" 8787 | nindent 6 }}
      periodSeconds: 60
      failureThreshold: 10
    resources: {{- include "ramet.resources" .Values.scheduler | trim | nindent 6 }}
    {{- include "ramet.mounts" $part | nindent 4 }}
  {{- if .Values.monitoring.enabled }}
  {{- include "ramet.metrics" (dict "root" . "port" 8787) | nindent 2 }}
  {{- end }}
{{ include "ramet.volumes" $part }}
{{- end -}}

{{- define "ramet.worker" -}}
{{- $part := dict "root" . "values" .Values.worker "component" "worker" "scratch" .Values.worker.scratch -}}
{{- /* The operator names its workers itself, in a variable that it adds behind these. */ -}}
{{- $name := .Values.operator.enabled | ternary "DASK_WORKER_NAME" "POD_NAME" -}}
{{- include "ramet.pod" $part }}
terminationGracePeriodSeconds: {{ .Values.worker.terminationGracePeriodSeconds }}
{{- with .Values.worker.topologySpread }}
{{- if .key }}
topologySpreadConstraints:
  - topologyKey: {{ .key }}
    maxSkew: {{ .maxSkew }}
    whenUnsatisfiable: {{ .whenUnsatisfiable }}
    labelSelector:
      matchLabels: {{- include "ramet.members" (list $ "worker") | nindent 8 }}
{{- end }}
{{- end }}
{{- with include "ramet.initContainers" $part }}
{{ . }}
{{- end }}
containers:
  - name: worker
    {{- include "ramet.container" . | nindent 4 }}
    args:
      - dask
      - worker
      - $(DASK_SCHEDULER_ADDRESS)
      - --name=$({{ $name }})
      - --worker-port=8788
      - --nanny-port=8789
      - --dashboard-address=127.0.0.1:8790
      - --nthreads={{ .Values.worker.threads | default "$(WORKER_THREADS)" }}
      - --memory-limit=$(WORKER_MEMORY)
      - --local-directory=/scratch
      {{- with .Values.worker.extraArgs }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- include "ramet.env" $part | nindent 4 }}
    ports:
      - {name: worker, containerPort: 8788}
      - {name: nanny, containerPort: 8789}
    lifecycle:
      preStop:  # hands its rows to the others, and says so in the pod's log
        exec:
          command: [sh, -c, "POD_NAME=${{ $name }} exec python -m ramet.cluster.retire 2>/proc/1/fd/2"]
    startupProbe:
      {{- include "ramet.health" 8790 | nindent 6 }}
      periodSeconds: 2
      failureThreshold: 150
    readinessProbe:
      {{- include "ramet.health" 8790 | nindent 6 }}
      periodSeconds: 15
      failureThreshold: 4
    livenessProbe:  # silent for ten minutes, twice as long as Dask itself waits: it hangs
      {{- include "ramet.health" 8790 | nindent 6 }}
      periodSeconds: 60
      failureThreshold: 10
    resources: {{- include "ramet.resources" .Values.worker | trim | nindent 6 }}
    {{- include "ramet.mounts" $part | nindent 4 }}
  {{- if .Values.monitoring.enabled }}
  {{- include "ramet.metrics" (dict "root" . "port" 8790) | nindent 2 }}
  {{- end }}
{{ include "ramet.volumes" $part }}
{{- end -}}
