{{/* What no single value shows to be wrong. Each message names the key, what is wrong with it, and what to do. */}}
{{- define "ramet.rules" -}}
{{- include "ramet.rules.names" . -}}
{{- include "ramet.rules.safety" . -}}
{{- include "ramet.rules.worker" . -}}
{{- range $name, $folder := include "ramet.folders" . | fromYaml -}}
{{- include "ramet.rules.folder" (dict "root" $ "name" $name "folder" $folder) -}}
{{- end -}}
{{- end -}}

{{- define "ramet.rules.names" -}}
{{- $name := include "ramet.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "\n\nThe release's name makes %q, and no Service can be called that: it takes small letters, digits and dashes, a letter first. Set nameOverride, or choose another release name." $name) -}}
{{- end -}}
{{- range $key, $_ := .Values.commonLabels -}}
{{- if or (hasPrefix "app.kubernetes.io/" $key) (hasPrefix "helm.sh/" $key) -}}
{{- fail (printf "\n\ncommonLabels: %s is a label that the chart sets. Choose another one." $key) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.image.tag "latest") (not .Values.image.digest) -}}
{{- fail "\n\nimage.tag: with \"latest\", pods that start at different times run different versions. Name a version, or set image.digest." -}}
{{- end -}}
{{- range $key, $_ := .Values.objectStore.env -}}
{{- if and (regexMatch "(?i)secret|password|token|credential|access_key|account_key" $key) (not (hasSuffix "_FILE" $key)) -}}
{{- fail (printf "\n\nobjectStore.env: %s looks like a secret, and whoever may read pods reads their variables. Put it into a Secret, and name that in objectStore.existingSecret." $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ramet.rules.safety" -}}
{{- $service := .Values.scheduler.service -}}
{{- if and .Values.operator.enabled .Values.tls.enabled -}}
{{- fail "\n\noperator.enabled: the Dask operator can't speak to a scheduler with TLS. Set tls.enabled=false as well if you accept that nothing between the members is encrypted or authenticated, or leave the operator out: the chart needs none." -}}
{{- end -}}
{{- if and .Values.tls.existingSecret (not .Values.tls.enabled) -}}
{{- fail "\n\ntls.existingSecret is set, but tls.enabled is false. Drop one of them." -}}
{{- end -}}
{{- if not (or .Values.tls.enabled .Values.networkPolicy.enabled) -}}
{{- fail "\n\ntls.enabled and networkPolicy.enabled are both false: any pod of the cluster could run code on the scheduler and all workers. Leave one of them on." -}}
{{- end -}}
{{- if ne $service.type "ClusterIP" -}}
{{- if .Values.operator.enabled -}}
{{- fail (printf "\n\nscheduler.service.type: %s does not go with operator.enabled, which has no TLS. Use ClusterIP and `kubectl port-forward`." $service.type) -}}
{{- end -}}
{{- if not .Values.tls.enabled -}}
{{- fail (printf "\n\nscheduler.service.type: %s without TLS lets whoever reaches the port run code. Set tls.enabled=true, or use ClusterIP." $service.type) -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.extraIngress) -}}
{{- fail (printf "\n\nscheduler.service.type: %s is open to nobody, since networkPolicy.extraIngress is empty. Name who may come: networkPolicy.extraIngress[0].ipBlock.cidr=10.1.0.0/16." $service.type) -}}
{{- end -}}
{{- else if $service.nodePort -}}
{{- fail "\n\nscheduler.service.nodePort is set, but scheduler.service.type is ClusterIP. Set the type to NodePort or LoadBalancer, or drop the port." -}}
{{- end -}}
{{- end -}}

{{- define "ramet.rules.worker" -}}
{{- $limits := .Values.worker.resources.limits | default dict -}}
{{- if not $limits.memory -}}
{{- fail "\n\nworker.resources.limits.memory is missing. It is Dask's limit too: without it each worker would take all of its node's memory for its own." -}}
{{- end -}}
{{- if not (or $limits.cpu .Values.worker.threads) -}}
{{- fail "\n\nworker.resources.limits.cpu is missing, and each worker would start as many threads as its node has processors. Set it, or set worker.threads." -}}
{{- end -}}
{{- if and .Values.operator.enabled (kindIs "invalid" .Values.worker.replicas) -}}
{{- fail "\n\nworker.replicas: a DaskCluster (operator.enabled) must be told a number." -}}
{{- end -}}
{{- end -}}

{{/* (dict root name folder) */}}
{{- define "ramet.rules.folder" -}}
{{- $key := printf "storage.%s" .name -}}
{{- if and .folder.existingClaim .folder.nfs.server -}}
{{- fail (printf "\n\n%s: existingClaim and nfs.server are both set. Drop one of them." $key) -}}
{{- end -}}
{{- $replicas := .root.Values.worker.replicas -}}
{{- $pods := add (kindIs "invalid" $replicas | ternary 2 $replicas) (ternary 1 0 .root.Values.notebook.enabled) -}}
{{- if and (gt $pods 1) (not .root.Values.storage.oneNode) (not .folder.nfs.server) -}}
{{- $modes := list .folder.accessMode -}}
{{- $which := printf "%s.accessMode" $key -}}
{{- if .folder.existingClaim -}}
{{- $which = printf "%s.existingClaim: %s" $key .folder.existingClaim -}}
{{- $claim := lookup "v1" "PersistentVolumeClaim" .root.Release.Namespace .folder.existingClaim -}}
{{- $modes = dig "spec" "accessModes" (list "ReadWriteMany") $claim -}}
{{- end -}}
{{- if not (or (has "ReadWriteMany" $modes) (and .folder.existingClaim .folder.readOnly (has "ReadOnlyMany" $modes))) -}}
{{- fail (printf "\n\n%s is %s, but %d pods (workers and notebook) share it, on several nodes. Use a storage class that can ReadWriteMany, an NFS export (%s.nfs.server), or an object store; or set storage.oneNode=true to put all pods on one node." $which (first $modes) $pods $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
