"""A cached track the way a Flask application with redis-py serves it: PING, GET, decode, encode.

A WSGI module: `gunicorn flask_responder:application`, or `python flask_responder.py PORT THREADS` for waitress.
BENCHMARK_REDIS_PORT and BENCHMARK_KEY_PREFIX say where the records are.
"""
import json
import os
import sys

import redis
from flask import Flask, jsonify

application = Flask(__name__)
application.json.sort_keys = False
store = redis.Redis(host="127.0.0.1", port=int(os.environ["BENCHMARK_REDIS_PORT"]))
prefix = os.environ["BENCHMARK_KEY_PREFIX"]


@application.get("/spotify/v1/tracks/<track_id>")
def track(track_id):
    store.ping()
    stored = store.get(prefix + track_id)
    if stored is None:
        return jsonify({"error": {"status": 404, "message": "Not found"}}), 404
    answer = jsonify(json.loads(stored))
    answer.headers["Cache-Control"] = "private, max-age=60"
    return answer


if __name__ == "__main__":
    import waitress
    waitress.serve(application, host="127.0.0.1", port=int(sys.argv[1]), threads=int(sys.argv[2]), _quiet=True)
