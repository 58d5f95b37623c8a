"""The application that others are measured against: it parses the body and dumps what it has parsed."""

import orjson
from flask import Flask, Response, request

app = Flask("echo")


@app.post("/echo")
def echo() -> Response:
    return Response(orjson.dumps(orjson.loads(request.get_data())), mimetype="application/json")
