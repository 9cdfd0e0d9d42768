"""nanotoken: ids of each line (it has no offsets); of lines in memory or, precision "file", of a mapped file."""
import os


class Rival:
    def __init__(self, model, precision, threads):
        os.environ["RAYON_NUM_THREADS"] = str(threads)
        import nanotoken
        self.library, self.file, self.parallel = nanotoken, precision == "file", threads > 1
        self.tokenizer = nanotoken.Tokenizer(os.path.join(model, "tokenizer.json"))

    def tokenize(self, path, lines):
        if self.file:
            source = self.library.TextFileSource(path, separator="\n")
            return self.tokenizer.encode_files(source, add_special_tokens=False, parallel=self.parallel)
        return self.tokenizer.encode_batch(lines, add_special_tokens=False, parallel=self.parallel)

    def count(self, result):
        return len(result.ids)
