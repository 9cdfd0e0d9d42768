"""rs_bpe: ids of each line, of a vocabulary of its own (cl100k; it has no other)."""
import os


class Rival:
    def __init__(self, model, precision, threads):
        os.environ["RAYON_NUM_THREADS"] = str(threads)
        from rs_bpe.bpe import openai
        self.tokenizer, self.parallel = openai.cl100k_base(), threads > 1

    def tokenize(self, path, lines):
        return [self.tokenizer.encode(line) for line in lines] if not self.parallel else self.tokenizer.encode_batch(lines)[0]

    def count(self, result):
        return sum(map(len, result))
