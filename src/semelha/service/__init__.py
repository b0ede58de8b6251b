"""The server: what `Gallery` answers, over HTTP. Needs the extra `serve`.

`settings.py` says how it runs, `app.py` puts it together, and each file of `routes/` has the endpoints of one subject
matter. A request passes `context.py` (request id, headers, log), `access.py` (keys), `limits.py` (sizes and times) and
`idempotency.py`, and then an endpoint. Pictures to identify go through `batching.py`; long work runs in `jobs.py`.
`compreface/` is the API of CompreFace.
"""
