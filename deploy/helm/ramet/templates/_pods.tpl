{{/* The parts that pods are made of. */}}

{{/* (dict root values component) -> the head of a pod's spec */}}
{{- define "ramet.pod" -}}
{{- $values := .values -}}
serviceAccountName: {{ include "ramet.fullname" .root }}{{ eq .component "notebook" | ternary "-notebook" "" }}
automountServiceAccountToken: {{ eq .component "notebook" }}
enableServiceLinks: false  # variables named after Services would be taken for settings
securityContext:
  runAsNonRoot: true
  {{- with .root.Values.podSecurity.runAsUser }}
  runAsUser: {{ int64 . }}
  {{- end }}
  {{- with .root.Values.podSecurity.fsGroup }}
  fsGroup: {{ int64 . }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- $tolerations := $values.tolerations | default list -}}
{{- if $values.gpus }}
{{- $tolerations = append $tolerations (dict "key" "nvidia.com/gpu" "operator" "Exists" "effect" "NoSchedule") -}}
{{- end }}
{{- with $tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- $affinity := deepCopy ($values.affinity | default dict) -}}
{{- if and .root.Values.storage.oneNode (has .component (list "worker" "notebook")) -}}
{{- $affinity = merge $affinity (include "ramet.oneNode" .root | fromYaml) -}}
{{- end }}
{{- with $affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* To the pods that mount the folders. The first one goes where it likes: Kubernetes lets a pod meet its own rule. */}}
{{- define "ramet.oneNode" -}}
podAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels: {{- include "ramet.selector" (list . "") | nindent 10 }}
        matchExpressions:
          - {key: app.kubernetes.io/component, operator: In, values: [worker, notebook, job]}
{{- end -}}

{{/* root -> image and rights of a container */}}
{{- define "ramet.container" -}}
image: {{ include "ramet.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* (dict resources gpus): amounts as text, for the DaskCluster knows no numbers */}}
{{- define "ramet.resources" -}}
{{- range $kind := list "requests" "limits" }}
{{ $kind }}:
  {{- range $name, $amount := index $.resources $kind | default dict }}
  {{ $name }}: {{ $amount | toString | quote }}
  {{- end }}
  {{- with $.gpus }}
  nvidia.com/gpu: {{ . | toString | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* root -> how a member or client finds and trusts the others. No secret is in it. */}}
{{- define "ramet.connection" -}}
env:
  - name: DASK_SCHEDULER_ADDRESS
    value: {{ include "ramet.schedulerAddress" . }}
  {{- if .Values.tls.enabled }}
  - name: DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION
    value: "True"
  - name: DASK_DISTRIBUTED__COMM__TLS__CA_FILE
    value: /etc/ramet/tls/ca.crt
  {{- range list "SCHEDULER" "WORKER" "CLIENT" }}
  - name: DASK_DISTRIBUTED__COMM__TLS__{{ . }}__CERT
    value: /etc/ramet/tls/tls.crt
  - name: DASK_DISTRIBUTED__COMM__TLS__{{ . }}__KEY
    value: /etc/ramet/tls/tls.key
  {{- end }}
  {{- end }}
{{- end -}}

{{/* (dict root values component) -> all variables of a member or client */}}
{{- define "ramet.env" -}}
{{- include "ramet.connection" .root }}
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  - name: DASK_TEMPORARY_DIRECTORY
    value: /scratch
  - name: DASK_RAMET__PORTS  # of the connections on which workers train
    value: "8800:8815"
  {{- if .root.Values.extraPipPackages }}
  - name: PYTHONPATH
    value: /packages/site
  {{- end }}
  {{- if has .component (list "worker" "notebook") }}
  {{- range $name, $value := .root.Values.objectStore.env }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
  {{- end }}
  {{- if eq .component "worker" }}
  - name: WORKER_THREADS  # the limits, or what the node has
    valueFrom: {resourceFieldRef: {containerName: worker, resource: limits.cpu, divisor: "1"}}
  - name: WORKER_MEMORY
    valueFrom: {resourceFieldRef: {containerName: worker, resource: limits.memory, divisor: "1"}}
  {{- end }}
  {{- if eq .component "notebook" }}
  - name: JUPYTER_TOKEN_FILE
    value: /etc/ramet/notebook/token
  {{- end }}
  {{- with .values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if has .component (list "worker" "notebook") }}
{{- with .root.Values.objectStore.existingSecret }}
envFrom:
  - secretRef: {name: {{ . }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* (dict root component) */}}
{{- define "ramet.mounts" -}}
volumeMounts:
  - {name: scratch, mountPath: /scratch}
  - {name: scratch, mountPath: /tmp, subPath: tmp}
  {{- if .root.Values.tls.enabled }}
  - {name: tls, mountPath: /etc/ramet/tls, readOnly: true}
  {{- end }}
  {{- if .root.Values.extraPipPackages }}
  - {name: packages, mountPath: /packages, readOnly: true}
  {{- end }}
  {{- if has .component (list "worker" "notebook") }}
  {{- range $name, $folder := include "ramet.folders" .root | fromYaml }}
  - {name: {{ $name }}, mountPath: /{{ $name }}, readOnly: {{ $folder.readOnly }}}
  {{- end }}
  {{- end }}
{{- end -}}

{{/* (dict root component scratch) */}}
{{- define "ramet.volumes" -}}
volumes:
  - name: scratch
    {{- if .scratch.storageClass }}
    ephemeral:
      volumeClaimTemplate:
        spec:
          accessModes: [ReadWriteOnce]
          storageClassName: {{ .scratch.storageClass }}
          resources: {requests: {storage: {{ .scratch.size }}}}
    {{- else }}
    emptyDir: {sizeLimit: {{ .scratch.size }}}
    {{- end }}
  {{- if .root.Values.tls.enabled }}
  - name: tls
    secret: {secretName: {{ include "ramet.tlsSecret" .root }}, defaultMode: 0440}
  {{- end }}
  {{- if .root.Values.extraPipPackages }}
  - name: packages
    emptyDir: {sizeLimit: 5Gi}
  {{- end }}
  {{- if has .component (list "worker" "notebook") }}
  {{- range $name, $folder := include "ramet.folders" .root | fromYaml }}
  - name: {{ $name }}
    {{- if $folder.nfs.server }}
    nfs: {server: {{ $folder.nfs.server | quote }}, path: {{ $folder.nfs.path | quote }}, readOnly: {{ $folder.readOnly }}}
    {{- else }}
    persistentVolumeClaim:
      claimName: {{ $folder.existingClaim | default (printf "%s-%s" (include "ramet.fullname" $.root) $name) }}
      readOnly: {{ $folder.readOnly }}
    {{- end }}
  {{- end }}
  {{- end }}
{{- end -}}

{{/* (dict root values component) -> what comes first: extra packages, bound to the versions that the image has; the scheduler */}}
{{- define "ramet.initContainers" -}}
{{- if or .root.Values.extraPipPackages (eq .component "worker") -}}
initContainers:
{{- with .root.Values.extraPipPackages }}
  - name: packages
    {{- include "ramet.container" $.root | nindent 4 }}
    args:
      - sh
      - -euc
      - |
        python -m pip list --format=freeze >/tmp/image.txt
        python -m pip install --no-cache-dir --disable-pip-version-check --prefix /packages --constraint /tmp/image.txt "$@"
        ln -sfn "$(find /packages -type d -name '*-packages' | head -n 1)" /packages/site
      - sh
      {{- toYaml . | nindent 6 }}
    env:
      - {name: HOME, value: /tmp}
      {{- with $.values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    resources:
      requests: {cpu: 100m, memory: 256Mi}
      limits: {cpu: "1", memory: 1Gi}
    volumeMounts:
      - {name: packages, mountPath: /packages}
      - {name: scratch, mountPath: /tmp, subPath: tmp}
{{- end }}
{{- if eq .component "worker" }}
  - name: wait
    {{- include "ramet.container" .root | nindent 4 }}
    args:
      - python
      - -ISc
      - |
        {{- .root.Files.Get "files/wait.py" | trim | nindent 8 }}
    {{- include "ramet.connection" .root | nindent 4 }}
    resources:
      requests: {cpu: 10m, memory: 32Mi}
      limits: {cpu: "1", memory: 64Mi}
    {{- if .root.Values.tls.enabled }}
    volumeMounts:
      - {name: tls, mountPath: /etc/ramet/tls, readOnly: true}
    {{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Does the HTTP server answer, which only this pod reaches? A connection to a TLS port would be logged as a failed handshake. */}}
{{- define "ramet.health" -}}
exec:
  command:
    - python
    - -ISc
    - import socket; s = socket.create_connection(("127.0.0.1", {{ . }}), 5); s.sendall(b"GET /health HTTP/1.0\r\n\r\n"); raise SystemExit(b" 200 " not in s.recv(64))
timeoutSeconds: 10
{{- end -}}

{{/* (dict root port): shows Prometheus /metrics and nothing else of the HTTP server on loopback */}}
{{- define "ramet.metrics" -}}
- name: metrics
  {{- include "ramet.container" .root | nindent 2 }}
  args:
    - python
    - -ISc
    - |
      {{- .root.Files.Get "files/metrics.py" | trim | nindent 6 }}
    - http://127.0.0.1:{{ .port }}/metrics
    - "8791"
  ports:
    - {name: metrics, containerPort: 8791}
  readinessProbe:
    tcpSocket: {port: metrics}
    periodSeconds: 30
  livenessProbe:
    tcpSocket: {port: metrics}
    periodSeconds: 60
  resources:
    requests: {cpu: 10m, memory: 32Mi}
    limits: {cpu: 200m, memory: 64Mi}
{{- end -}}
