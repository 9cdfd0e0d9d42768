"""gigatoken: ids of each line (it has no offsets); of lines in memory or, precision "file", of a mapped file."""
import os


class Rival:
    def __init__(self, model, precision, threads):
        os.environ["RAYON_NUM_THREADS"] = str(threads)
        import gigatoken
        self.library, self.file = gigatoken, precision == "file"
        self.tokenizer = gigatoken.Tokenizer(os.path.join(model, "tokenizer.json"))

    def tokenize(self, path, lines):
        if self.file:
            return self.tokenizer.encode_files(self.library.TextFileSource([path], separator=b"\n"))
        return self.tokenizer.encode_batch(lines)

    def count(self, result):
        import awkward
        return int(awkward.count(result))
