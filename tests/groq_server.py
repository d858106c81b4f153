"""A real HTTP server on loopback that speaks Groq's chat-completions and models API, with faults on demand."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "gsk_a-key-that-must-never-be-printed"
MODELS = ("llama-3.1-8b-instant", "openai/gpt-oss-120b", "openai/gpt-oss-20b")


class GroqServer:
    """Use as a context manager; every chat request takes the next fault off `faults`, if there is one.

    Attributes:
        url: base URL for the client.
        models: what the account has; take one out and it is gone.
        faults: names of the faults to come, see `_fault`.
        answer: function of the request's body that returns the text.
        delay: seconds an answer takes.
        tokens_a_minute: for each model, a bucket that refills evenly, told in headers; None for no limit and no headers.
        minute: seconds that a minute has here.
        day: chat requests that may be answered before the daily limit; None for no limit.
        requests: body of every chat request that came in.
        delivered: number of answers sent off; counted before they are, so that a client that has one finds it counted.
        refused: number of 429 answers that came of a limit rather than of `faults`.
    """

    def __init__(
        self, answer=lambda body: "A story.", delay: float = 0.0, tokens_a_minute: int | None = None, minute: float = 60.0
    ):
        self.models = list(MODELS)
        self.faults: deque[str] = deque()
        self.answer = answer
        self.delay = delay
        self.tokens_a_minute = tokens_a_minute
        self.minute = minute
        self.day: int | None = None
        self.requests: list[dict] = []
        self.times: list[float] = []
        self.delivered = 0
        self.refused = 0
        self.closing = threading.Event()
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"groq": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}/openai/v1"

    def __enter__(self) -> GroqServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, body: dict) -> str:
        """Note a chat request and say which fault it gets."""
        with self._lock:
            self.requests.append(body)
            self.times.append(time.monotonic())
            return self.faults.popleft() if self.faults else ""

    def deliver(self) -> None:
        with self._lock:
            self.delivered += 1

    def spend(self, model: str, tokens: int) -> tuple[float, dict]:
        """Take tokens out of the model's bucket: seconds to wait (0 if they were there), and the headers."""
        if self.tokens_a_minute is None:
            return 0.0, {}
        with self._lock:
            now, rate = time.monotonic(), self.tokens_a_minute / self.minute
            left, at = self._buckets.get(model, (self.tokens_a_minute, now))
            left = min(self.tokens_a_minute, left + (now - at) * rate)
            wait = max(0.0, (tokens - left) / rate)
            if wait == 0:
                left -= tokens
            else:
                self.refused += 1
            self._buckets[model] = left, now
            headers = {
                "x-ratelimit-limit-tokens": str(self.tokens_a_minute),
                "x-ratelimit-remaining-tokens": str(int(left)),
                "x-ratelimit-reset-tokens": f"{(self.tokens_a_minute - int(left)) / rate:.3f}s",
                "x-ratelimit-limit-requests": "14400",
                "x-ratelimit-remaining-requests": "14000",
                "x-ratelimit-reset-requests": "40m0s",
            }
            return wait, headers


def limit_error(model: str, kind: str, limit: int, asked: int, wait: str) -> dict:
    """Groq's own words for a limit."""
    message = (
        f"Rate limit reached for model `{model}` in organization `org_test` service tier `on_demand` on {kind}: "
        f"Limit {limit}, Used {limit}, Requested {asked}. Please try again in {wait}."
    )
    return {"error": {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        """A connection that a fault or a kill has torn is no news; anything else is."""
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    groq: GroqServer

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        if self._key_is_wrong():
            return
        self._json(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.groq.models]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.groq.take(body)
        if self._key_is_wrong() or self._fault(fault, body):
            return
        model, tokens = body["model"], self._tokens(body)
        if model not in self.groq.models:
            error = {
                "message": f"The model `{model}` does not exist or you do not have access to it.",
                "code": "model_not_found",
            }
            self._json(404, {"error": error})
            return
        if self.groq.day is not None and self.groq.delivered >= self.groq.day:
            self._json(429, limit_error(model, "tokens per day (TPD)", 500_000, tokens, "9m38.016s"), {"retry-after": "578"})
            return
        limit = self.groq.tokens_a_minute
        if limit is not None and tokens > limit:
            message = (
                f"Request too large for model `{model}` on tokens per minute (TPM): Limit {limit}, Requested {tokens}, please "
                "reduce your message size and try again."
            )
            self._json(413, {"error": {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}})
            return
        wait, headers = self.groq.spend(model, tokens)
        if wait:
            error = limit_error(model, "tokens per minute (TPM)", limit, tokens, f"{wait:.3f}s")
            self._json(429, error, headers | {"retry-after": f"{int(wait) + 1}"})
            return
        time.sleep(self.groq.delay)
        answer = self._completion(body, self.groq.answer(body))
        self.groq.deliver()
        self._json(200, answer, headers)

    def _key_is_wrong(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {KEY}":
            return False
        self._json(401, {"error": {"message": "Invalid API Key", "type": "invalid_request_error", "code": "invalid_api_key"}})
        return True

    def _fault(self, fault: str, body: dict) -> bool:
        """Answer with a fault; False if there is none."""
        model = body["model"]
        if fault == "429 retry-after":
            error = limit_error(model, "tokens per minute (TPM)", 6000, 3000, "1s")
            self._json(429, error, {"retry-after": "1"})
        elif fault == "429":
            self._json(429, {"error": {"message": "Too many requests", "code": "rate_limit_exceeded"}})
        elif fault == "daily":
            error = limit_error(model, "requests per day (RPD)", 1000, 1, "1h0m0s")
            self._json(429, error, {"retry-after": "3600"})
        elif fault == "413":
            self._json(
                413, {"error": {"message": "Request too large: Limit 6000, Requested 9000", "code": "rate_limit_exceeded"}}
            )
        elif fault in ("500", "503", "401", "400"):
            self._json(int(fault), {"error": {"message": "No luck", "code": "trouble"}})
        elif "|" in fault:  # status|code|message
            status, code, message = fault.split("|", 2)
            self._json(int(status), {"error": {"message": message, "type": "invalid_request_error", "code": code or None}})
        elif fault == "reset":
            self._begin(1000)
            self.wfile.write(b'{"choices": [{"mess')
            self.wfile.flush()
            # With a linger time of zero, closing sends a reset instead of an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RD)
            self.rfile.close()
            self.wfile.close()
            self.connection.close()
            self.close_connection = True
        elif fault == "endless":
            self._begin(10_000_000)
            try:
                while not self.groq.closing.wait(0.05):
                    self.wfile.write(b" ")
                    self.wfile.flush()
            except OSError:
                pass
            self.close_connection = True
        elif fault == "malformed":
            self._bytes(200, b'{"choices": [{"message": {"content": "half a')
        elif fault == "empty":
            self._json(200, self._completion(body, ""))
        elif fault == "filtered":
            self._json(200, self._completion(body, "", "content_filter"))
        elif fault == "cut off":
            self._json(200, self._completion(body, "A story that", "length"))
        elif fault == "gone":
            self.groq.models.remove(model)
            return False
        elif fault:
            raise KeyError(f"no such fault: {fault}")
        return bool(fault)

    @staticmethod
    def _tokens(body: dict) -> int:
        prompt = len(body["messages"][0]["content"]) // 5
        return prompt + (body.get("max_completion_tokens") or body.get("max_tokens") or 0)

    def _completion(self, body: dict, text: str, finish: str = "stop") -> dict:
        prompt, completion = len(body["messages"][0]["content"]) // 5, len(text) // 5
        return {
            "id": "chatcmpl-test",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
        }

    def _json(self, status: int, content: dict, headers: dict | None = None) -> None:
        self._bytes(status, json.dumps(content).encode(), headers)

    def _bytes(self, status: int, content: bytes, headers: dict | None = None) -> None:
        try:
            self._begin(len(content), status, headers)
            self.wfile.write(content)
            self.wfile.flush()
        except OSError:  # the client was killed
            self.close_connection = True

    def _begin(self, length: int, status: int = 200, headers: dict | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
