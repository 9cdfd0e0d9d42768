"""sentencepiece: ids of each line."""
import os


class Rival:
    def __init__(self, model, precision, threads):
        import sentencepiece
        self.tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(model, "sentencepiece.bpe.model"))
        self.threads = threads

    def tokenize(self, path, lines):
        return self.tokenizer.encode(lines, out_type=int, num_threads=self.threads)

    def count(self, result):
        return sum(map(len, result))
