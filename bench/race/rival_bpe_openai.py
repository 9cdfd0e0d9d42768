"""bpe-openai: ids of each line, of a vocabulary of its own (cl100k). It has one thread."""


class Rival:
    def __init__(self, model, precision, threads):
        import bpe_openai
        self.tokenizer = bpe_openai.get_encoding("cl100k_base")

    def tokenize(self, path, lines):
        return [self.tokenizer.encode(line) for line in lines]

    def count(self, result):
        return sum(map(len, result))
