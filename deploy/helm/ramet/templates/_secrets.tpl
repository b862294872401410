{{/*
What is made by chance is made once: a template that is evaluated twice would give two, and an upgrade others. So it is kept in .Values
while the templates run, and between releases in its Secret, which `lookup` reads. (`helm template` sees no cluster: there it is always new.)
*/}}

{{/* (dict root name keys): the data of the Secret if it has all these keys, as JSON */}}
{{- define "ramet.kept" -}}
{{- $data := (lookup "v1" "Secret" .root.Release.Namespace .name).data | default dict -}}
{{- $all := true -}}
{{- range .keys }}{{ if not (get $data .) }}{{ $all = false }}{{ end }}{{ end -}}
{{- $all | ternary $data dict | toJson -}}
{{- end -}}

{{/* One certificate for all members, signed by a key that is thrown away: nobody can make another. */}}
{{- define "ramet.certificates" -}}
{{- if not .Values.madeCertificates -}}
{{- $name := include "ramet.fullname" . -}}
{{- $data := include "ramet.kept" (dict "root" . "name" (include "ramet.tlsSecret" .) "keys" (list "ca.crt" "tls.crt" "tls.key")) | fromJson -}}
{{- if not $data -}}
{{- $ca := genCAWithKey (printf "%s CA" $name) 3650 (genPrivateKey "ecdsa") -}}
{{- $hosts := list -}}
{{- range $service := list "scheduler" "worker" -}}
{{- $host := printf "%s-%s.%s.svc" $name $service $.Release.Namespace -}}
{{- $hosts = concat $hosts (list $host (printf "*.%s" $host)) -}}
{{- end -}}
{{- $made := genSignedCertWithKey $name (list "127.0.0.1") (append $hosts "localhost") 3650 $ca (genPrivateKey "ecdsa") -}}
{{- $data = dict "ca.crt" (b64enc $ca.Cert) "tls.crt" (b64enc $made.Cert) "tls.key" (b64enc $made.Key) -}}
{{- end -}}
{{- $_ := set .Values "madeCertificates" $data -}}
{{- end -}}
{{- .Values.madeCertificates | toJson -}}
{{- end -}}

{{/* New certificates replace scheduler and workers at once, since old and new ones can't speak to each other. (list root component) */}}
{{- define "ramet.podMetadata" -}}
{{- $root := index . 0 -}}
labels: {{- include "ramet.podLabels" . | nindent 2 }}
{{- if and $root.Values.tls.enabled (not $root.Values.tls.existingSecret) (ne (index . 1) "notebook") }}
annotations:
  checksum/certificates: {{ include "ramet.certificates" $root | sha256sum }}
{{- end }}
{{- end -}}
