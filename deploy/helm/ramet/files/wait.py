# Waits for the scheduler: `dask worker` gives up after half a minute, and would be restarted later and later.
import os
import socket
import ssl
import sys
import time

scheme, _, place = os.environ["DASK_SCHEDULER_ADDRESS"].partition("://")
host, _, port = place.rpartition(":")
told = -30.0
while True:
    try:
        with socket.create_connection((host, int(port)), 5) as connection:
            if scheme == "tls":
                own = {name: os.environ[f"DASK_DISTRIBUTED__COMM__TLS__WORKER__{name}"] for name in ("CERT", "KEY")}
                trust = os.environ["DASK_DISTRIBUTED__COMM__TLS__CA_FILE"]
                context = ssl.create_default_context(cafile=trust)
                context.check_hostname = False  # as Dask: who has a certificate of this authority is a member
                context.load_cert_chain(own["CERT"], own["KEY"])
                context.wrap_socket(connection).close()
        sys.exit()
    except OSError as error:
        if time.monotonic() > told + 30:
            print(f"waiting for {scheme}://{place}: {error}", flush=True)
            told = time.monotonic()
        time.sleep(0.5)
