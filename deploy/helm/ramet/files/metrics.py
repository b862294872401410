# metrics.py ADDRESS PORT: hands GET /metrics at PORT on to ADDRESS, and refuses all else.
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/metrics":
            self.send_error(404)
            return
        try:
            with urllib.request.urlopen(sys.argv[1], timeout=10) as answer:
                kind, text = answer.headers["Content-Type"], answer.read()
        except OSError as error:
            self.send_error(502, explain=str(error))
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_request(self, *_):
        pass


ThreadingHTTPServer(("", int(sys.argv[2])), Metrics).serve_forever()
