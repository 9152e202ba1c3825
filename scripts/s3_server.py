"""A server that speaks as much of S3 as archives ask, over a folder of buckets: it waits before each answer, and counts what it sent.

usage: s3_server.py FOLDER SECONDS      prints its address; GET /-/count gives requests and bytes since the last time
"""

import json
import os
import re
import shutil
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

ROOT, LATENCY = Path(sys.argv[1]), float(sys.argv[2])
COUNT, LOCK = {"requests": 0, "bytes": 0}, threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/-/count":
            with LOCK:
                body = json.dumps(COUNT).encode()
                COUNT.update(requests=0, bytes=0)
            return self.answer(200, body)
        time.sleep(LATENCY)
        with LOCK:
            COUNT["requests"] += 1
        path = ROOT / unquote(url.path.lstrip("/"))
        query = parse_qs(url.query)
        if "list-type" in query:
            return self.listing(path, query.get("prefix", [""])[0])
        if not path.is_file():
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        self.object(path)

    do_HEAD = do_GET

    def do_PUT(self):
        """An object, or a part of one, which is kept beside it."""
        url = urlsplit(self.path)
        query, path = parse_qs(url.query), ROOT / unquote(url.path.lstrip("/"))
        if "partNumber" in query:
            path = path.with_name(f".{path.name}.{int(query['partNumber'][0]):05}")
        path.parent.mkdir(parents=True, exist_ok=True)
        left = int(self.headers["Content-Length"])
        with open(path, "wb") as file:
            while left:
                piece = self.rfile.read(min(left, 1 << 20))
                file.write(piece)
                left -= len(piece)
        self.answer(200, ETag='"e"')

    def do_POST(self):
        """The beginning or the end of an upload in parts."""
        url = urlsplit(self.path)
        path = ROOT / unquote(url.path.lstrip("/"))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploadId" in parse_qs(url.query):
            with open(path, "wb") as whole:
                for part in sorted(path.parent.glob(f".{path.name}.*")):
                    with open(part, "rb") as file:
                        shutil.copyfileobj(file, whole, 1 << 20)
                    part.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
        self.answer(200, b"<R><Bucket>b</Bucket><Key>k</Key><UploadId>1</UploadId><ETag>e</ETag></R>")

    def listing(self, bucket, prefix):
        top = bucket / prefix
        files = sorted(file for file in top.rglob("*") if file.is_file()) if top.is_dir() else []
        rows = "".join(
            f"<Contents><Key>{escape(str(file.relative_to(bucket)))}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>e</ETag><Size>{file.stat().st_size}</Size></Contents>"
            for file in files
        )
        self.answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode())

    def object(self, path):
        size = path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1 if asked and asked[2] else size, size)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        for name, value in {"Content-Length": end - start, "ETag": '"e"', "Accept-Ranges": "bytes", "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.flush()
        with LOCK:
            COUNT["bytes"] += end - start
        with open(path, "rb") as file:
            while start < end:
                start += os.sendfile(self.connection.fileno(), file.fileno(), start, min(end - start, 8 << 20))

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
