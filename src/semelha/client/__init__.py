"""The client of a server: what `Gallery` does in Python, over HTTP. Needs the extra `client`.

`calls.py` has the requests of each call, as generators that know no connection; `exchange.py` decides what is sent
again; `client.py` and `async_client.py` send. `pictures.py` and `answers.py` translate to JSON and back.
"""

from semelha.client.answers import CalibrationSummary, EvidenceSheet
from semelha.client.async_client import AsyncClient
from semelha.client.client import Client

__all__ = ["AsyncClient", "CalibrationSummary", "Client", "EvidenceSheet"]
