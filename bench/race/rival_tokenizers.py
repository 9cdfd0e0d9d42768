"""Hugging Face tokenizers: ids, offsets and the rest of each line."""
import os


class Rival:
    def __init__(self, model, precision, threads):
        os.environ["RAYON_NUM_THREADS"] = str(threads)
        os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
        import tokenizers
        self.tokenizer = tokenizers.Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def tokenize(self, path, lines):
        return self.tokenizer.encode_batch(lines, add_special_tokens=False)

    def count(self, result):
        return sum(len(r.ids) for r in result)
