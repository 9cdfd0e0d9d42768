"""sentence-transformers behind uvicorn, as it is usually written: served_sentences.py MODEL PORT."""
import sys

import fastapi
import pydantic
import sentence_transformers
import uvicorn

model, app = sentence_transformers.SentenceTransformer(sys.argv[1], device="cpu"), fastapi.FastAPI()


class Body(pydantic.BaseModel):
    inputs: list[str]


@app.post("/embed")
def embed(body: Body):
    return model.encode(body.inputs, normalize_embeddings=True).tolist()


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
