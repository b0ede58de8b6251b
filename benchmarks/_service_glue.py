"""What is usually glued together: FastAPI, ONNX Runtime and FAISS, one picture a request, no calibration, no database.

python benchmarks/_service_glue.py MODEL VECTORS.npy PORT
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import faiss
import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image

model, file, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
session = ort.InferenceSession(str(model / "embedder.onnx"), providers=["CPUExecutionProvider"])
entry = session.get_inputs()[0]
side = entry.shape[2]
vectors = np.load(file)
index = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
index.add(vectors)
app = FastAPI()


def embed(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data)).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(image).transpose(2, 0, 1)[None]
    (vector,) = session.run(None, {entry.name: np.ascontiguousarray(pixels)})
    return vector / np.linalg.norm(vector, axis=1, keepdims=True)


@app.get("/healthz")
def healthz() -> dict[str, bool]:
    return {"ok": True}


@app.post("/api/v1/identify")
def identify(picture: UploadFile, k: int = 5, threshold: float = 0.6) -> dict[str, object]:
    similarities, rows = index.search(embed(picture.file.read()), k)
    best = similarities[0, 0]
    candidates = [
        {"row": int(row), "distance": float(1 - one)} for one, row in zip(similarities[0], rows[0], strict=True)
    ]
    return {"subject": int(rows[0, 0]) if best > threshold else None, "candidates": candidates}


uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)
