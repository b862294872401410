"""The notebook server's settings, whoever starts it."""

import os

c = get_config()  # noqa: F821  # Jupyter's own

c.ServerApp.ip = "0.0.0.0"
c.ServerApp.port = 8888
c.ServerApp.port_retries = 0  # the Service knows no other port
c.ServerApp.open_browser = False
c.ServerApp.root_dir = os.environ["HOME"]
c.ServerApp.base_url = os.environ.get("NB_PREFIX", "/")
c.ServerApp.allow_remote_access = True  # it is reached by the name of a service or a proxy
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash"]}
c.LabApp.extension_manager = "readonly"  # extensions are the image's
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None

# Who may enter. There is no default password.
#   JUPYTER_TOKEN or JUPYTER_TOKEN_FILE: who knows it (Jupyter reads both itself).
#   Neither, but NB_PREFIX: whom the proxy in front lets through. Kubeflow sets NB_PREFIX, and its gateway has asked who
#     it is; nobody there could know a token. Its dashboard shows the page in a frame.
#   None of them: who knows the random token that Jupyter writes into the log.
if os.environ.get("NB_PREFIX") and not (os.environ.get("JUPYTER_TOKEN") or os.environ.get("JUPYTER_TOKEN_FILE")):
    c.IdentityProvider.token = ""
    c.ServerApp.allow_origin = "*"
    c.ServerApp.authenticate_prometheus = False
