#!/usr/bin/env python3
"""check_serving.py BERT DIR: the clients that people have, unchanged, against `bert serve`.

BERT is the tool. DIR holds models, each in a folder of its name: embedding, classifier, reranker, tagger, masked, answerer, inference,
vit (with vit/picture.jpg); those that are not there are passed over. What a client gets is compared with what the tool
says of the same input. Seen with openai 3.57, huggingface_hub 2.4, cohere 7.3, langchain-openai 1.7 and
llama-index-embeddings-text-embeddings-inference 0.6.
"""
import base64
import json
import os
import subprocess
import sys
import urllib.request

import numpy as np

BERT, DIR = sys.argv[1], os.path.abspath(sys.argv[2])
TEXTS = ["The quick brown fox.", "A dog is lazy", "Paris is the capital of France, says Ada Lovelace."]


def tool(*args):
    got = subprocess.run([BERT, *args, "--json"], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in got.splitlines()]


class Server:
    def __init__(self, name):
        self.path = os.path.join(DIR, name)

    def __enter__(self):
        self.process = subprocess.Popen([BERT, "serve", self.path, "--port", "0", "--quiet"], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        assert self.process.wait(60) == 0, "the server did not end well"


def near(a, b, what, tolerance=0.0):
    a, b = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    assert a.shape == b.shape, f"{what}: {a.shape} and {b.shape}"
    worst = float(np.abs(a - b).max())
    assert worst <= tolerance, f"{what}: {worst}"
    print(f"ok  {what}: {a.size} numbers, largest difference {worst:.2g}")


def same(a, b, what):
    assert a == b, f"{what}: {a!r} and {b!r}"
    print(f"ok  {what}")


def embedding():
    import openai
    from huggingface_hub import InferenceClient
    from langchain_openai import OpenAIEmbeddings
    from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference

    with Server("embedding") as s:
        own = [row["embedding"] for row in tool("embed", s.path, "--normalize", *TEXTS)]
        client = openai.OpenAI(base_url=s.url + "/v1", api_key="none")
        near([d.embedding for d in client.embeddings.create(input=TEXTS, model="any").data], own, "openai, base64")
        got = client.embeddings.create(input=TEXTS, model="any", encoding_format="float")
        near([d.embedding for d in got.data], own, "openai, float")
        short = tool("embed", s.path, "--normalize", "--dimensions", "8", TEXTS[0])[0]["embedding"]
        near(client.embeddings.create(input=TEXTS[0], model="any", dimensions=8).data[0].embedding, short, "openai, dimensions")
        same([m.id for m in client.models.list()], [s.path], "openai, models")
        try:
            client.embeddings.create(input=[], model="any")
            raise AssertionError("an empty list was taken")
        except openai.BadRequestError as e:
            same(e.type, "invalid_request_error", "openai, an error")
        hub = InferenceClient(base_url=s.url)
        near(hub.feature_extraction(TEXTS[0]), [own[0]], "huggingface_hub, feature extraction")
        raw = np.array([row["embedding"] for row in tool("embed", s.path, "--no-normalize", *TEXTS)])
        cosines = [raw[0] @ v / np.linalg.norm(raw[0]) / np.linalg.norm(v) for v in raw[1:]]
        near(hub.sentence_similarity(TEXTS[0], TEXTS[1:]), cosines, "huggingface_hub, sentence similarity", 1e-6)
        chain = OpenAIEmbeddings(base_url=s.url + "/v1", api_key="none", check_embedding_ctx_length=False)
        near(chain.embed_documents(TEXTS), own, "LangChain, OpenAIEmbeddings")
        index = TextEmbeddingsInference(model_name="any", base_url=s.url)
        near(index.get_text_embedding(TEXTS[0]), own[0], "LlamaIndex, TEI")
        near(index.get_text_embedding_batch(TEXTS), own, "LlamaIndex, TEI, several")


def classifier():
    from huggingface_hub import InferenceClient

    with Server("classifier") as s:
        own = tool("classify", s.path, TEXTS[0])[0]
        got = InferenceClient(base_url=s.url).text_classification(TEXTS[0])
        same(got[0].label, own["label"], "huggingface_hub, text classification: label")
        near([x.score for x in got], sorted(own["scores"].values(), reverse=True), "scores")


def reranker():
    import cohere

    with Server("reranker") as s:
        own = {row["index"]: row["score"] for row in tool("rerank", s.path, "what is lazy?", *TEXTS)}
        got = cohere.ClientV2("none", base_url=s.url).rerank(model="any", query="what is lazy?", documents=TEXTS)
        near([r.relevance_score for r in got.results], [own[r.index] for r in got.results], "cohere, rerank")
        assert [r.relevance_score for r in got.results] == sorted(own.values(), reverse=True)


def tagger():
    from huggingface_hub import InferenceClient

    with Server("tagger") as s:
        own = tool("tag", s.path, "--aggregation", "simple", TEXTS[2])
        got = InferenceClient(base_url=s.url).token_classification(TEXTS[2])
        same([(x.entity_group, x.word, x.start, x.end) for x in got], [(x["entity"], x["word"], x["start"], x["end"]) for x in own],
             "huggingface_hub, token classification")
        near([x.score for x in got], [x["score"] for x in own], "scores")


def masked():
    from huggingface_hub import InferenceClient

    with Server("masked") as s:
        text = "The capital of France is [MASK]."
        own = tool("fill", s.path, text)
        got = InferenceClient(base_url=s.url).fill_mask(text)
        same([x.token for x in got], [x["id"] for x in own], "huggingface_hub, fill mask")
        near([x.score for x in got], [x["score"] for x in own], "scores")


def answerer():
    from huggingface_hub import InferenceClient

    with Server("answerer") as s:
        own = tool("answer", s.path, "--question", "who?", "--context", TEXTS[2])[0]
        got = InferenceClient(base_url=s.url).question_answering(question="who?", context=TEXTS[2])
        same((got.answer, got.start, got.end), (own["answer"], own["start"], own["end"]), "huggingface_hub, question answering")
        near(got.score, own["score"], "score", 1e-9)


def inference():
    from huggingface_hub import InferenceClient

    with Server("inference") as s:
        labels = ["animals", "cities"]
        own = tool("classify", s.path, "--candidate-labels", ",".join(labels), TEXTS[0])[0]["scores"]
        got = InferenceClient(base_url=s.url).zero_shot_classification(TEXTS[0], candidate_labels=labels)
        near([x.score for x in got], [own[x.label] for x in got], "huggingface_hub, zero-shot classification")


def vit():
    from huggingface_hub import InferenceClient

    picture = os.path.join(DIR, "vit", "picture.jpg")
    with Server("vit") as s:
        own = tool("classify", s.path, picture)[0]
        got = InferenceClient(base_url=s.url).image_classification(picture)
        same(got[0].label, own["label"], "huggingface_hub, image classification: label")
        with open(picture, "rb") as f:
            body = json.dumps({"inputs": base64.b64encode(f.read()).decode()}).encode()
        request = urllib.request.Request(s.url + "/embed", body, {"Content-Type": "application/json"})
        vector = json.load(urllib.request.urlopen(request))[0]
        near(vector, tool("embed", s.path, "--normalize", picture)[0]["embedding"], "a picture's vector, base64")


for check in (embedding, classifier, reranker, tagger, masked, answerer, inference, vit):
    if os.path.isdir(os.path.join(DIR, check.__name__)):
        check()
    else:
        print(f"--  {check.__name__}: no such model in {DIR}")
