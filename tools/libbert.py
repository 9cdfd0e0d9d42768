"""Tokenizer and models of libbert.so through ctypes, for the scripts that compare them with the reference."""
import ctypes as c
import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
I32 = c.POINTER(c.c_int32)


class Error(c.Structure):
    _fields_ = [("code", c.c_int), ("message", c.c_char * 500)]


class TokenizerOptions(c.Structure):
    _fields_ = [("do_lower_case", c.c_int), ("strip_accents", c.c_int),
                ("tokenize_chinese_chars", c.c_int), ("encode_special_tokens", c.c_bool)]


class EncodeOptions(c.Structure):
    _fields_ = [("add_special_tokens", c.c_bool), ("truncation", c.c_int), ("max_length", c.c_int32),
                ("stride", c.c_int32), ("overflowing", c.c_bool), ("truncate_left", c.c_bool),
                ("byte_offsets", c.c_bool)]


class Encoding(c.Structure):
    _fields_ = [("n", c.c_int32), ("ids", I32), ("type_ids", I32), ("word_ids", I32),
                ("sequence_ids", I32), ("offsets", I32), ("special", c.POINTER(c.c_uint8))]


F32 = c.POINTER(c.c_float)


class Inputs(c.Structure):
    _fields_ = [("n", c.c_int32), ("start", I32), ("ids", I32), ("type_ids", I32), ("logit_tokens", I32),
                ("logit_tokens_count", c.c_int32), ("columns", c.c_void_p), ("column_count", c.c_int32),
                ("embeds", c.c_void_p), ("attended", c.c_void_p)]


class Outputs(c.Structure):
    _fields_ = [("tokens", c.c_int32), ("hidden_size", c.c_int32), ("layers", c.c_int32), ("heads", c.c_int32),
                ("last_hidden_state", F32), ("pooler_output", F32), ("hidden_states", c.c_void_p),
                ("attentions", c.c_void_p), ("logits", F32), ("logit_rows", c.c_int32), ("logit_cols", c.c_int32)]


WANT_POOLER, WANT_LOGITS = 1, 8


def load(path=os.environ.get("LIBBERT", os.path.join(ROOT, "build", "libbert.so"))):
    lib = c.CDLL(path, mode=os.RTLD_LAZY)
    lib.bert_tokenizer_open.restype = c.c_void_p
    lib.bert_tokenizer_open.argtypes = [c.c_char_p, c.POINTER(TokenizerOptions), c.POINTER(Error)]
    lib.bert_tokenizer_size.argtypes = [c.c_void_p]
    lib.bert_token_id.argtypes = [c.c_void_p, c.c_char_p]
    lib.bert_tokenizer_close.argtypes = [c.c_void_p]
    lib.bert_tokenizer_save.argtypes = [c.c_void_p, c.c_char_p, c.POINTER(Error)]
    lib.bert_tokenization_new.restype = c.c_void_p
    lib.bert_tokenization_new.argtypes = [c.c_void_p, c.POINTER(Error)]
    lib.bert_tokenization_free.argtypes = [c.c_void_p]
    lib.bert_tokenize.argtypes = [c.c_void_p, c.c_char_p, c.c_size_t, c.c_char_p, c.c_size_t,
                                c.POINTER(EncodeOptions), c.POINTER(Error)]
    lib.bert_tokenization_window.restype = Encoding
    lib.bert_tokenization_window.argtypes = [c.c_void_p, c.c_int]
    lib.bert_tokenization_full_length.argtypes = [c.c_void_p]
    lib.bert_tokenize_ids.restype = c.c_int64
    lib.bert_tokenize_ids.argtypes = [c.c_void_p, c.c_char_p, c.c_size_t, I32, c.c_size_t, c.POINTER(Error)]
    lib.bert_decode.restype = c.c_int64
    lib.bert_decode.argtypes = [c.c_void_p, I32, c.c_size_t, c.c_bool, c.c_char_p, c.c_size_t, c.POINTER(Error)]
    lib.bert_model_open.restype = c.c_void_p
    lib.bert_model_open.argtypes = [c.c_char_p, c.c_void_p, c.POINTER(Error)]
    lib.bert_model_close.argtypes = [c.c_void_p]
    lib.bert_model_head.restype = c.c_char_p
    lib.bert_model_head.argtypes = [c.c_void_p]
    lib.bert_model_save.argtypes = [c.c_void_p, c.c_char_p, c.POINTER(Error)]
    lib.bert_model_new_parameter.restype = lib.bert_model_unused_tensor.restype = c.c_char_p
    lib.bert_model_new_parameter.argtypes = lib.bert_model_unused_tensor.argtypes = [c.c_void_p, c.c_int]
    lib.bert_session_new.restype = c.c_void_p
    lib.bert_session_new.argtypes = [c.c_void_p, c.c_void_p, c.POINTER(Error)]
    lib.bert_session_free.argtypes = [c.c_void_p]
    lib.bert_session_run.argtypes = [c.c_void_p, c.POINTER(Inputs), c.c_uint, c.POINTER(Outputs), c.POINTER(Error)]
    return lib


class Failed(Exception):
    pass


class Tokenizer:
    def __init__(self, path, do_lower_case=-1, strip_accents=-1, tokenize_chinese_chars=-1,
                 encode_special_tokens=False, lib=None):
        self.lib, self.e = lib or load(), Error()
        o = TokenizerOptions(do_lower_case, strip_accents, tokenize_chinese_chars, encode_special_tokens)
        self.t = self.lib.bert_tokenizer_open(path.encode(), c.byref(o), c.byref(self.e))
        if not self.t:
            raise Failed(self.e.code, self.e.message.decode())
        self.enc = self.lib.bert_tokenization_new(self.t, None)
        self.default = EncodeOptions(add_special_tokens=True)
        self.room = (c.c_int32 * 4096)()
        self.default_ref, self.e_ref = c.byref(self.default), c.byref(self.e)

    def close(self):
        self.lib.bert_tokenization_free(self.enc)
        self.lib.bert_tokenizer_close(self.t)

    def save(self, directory):
        if self.lib.bert_tokenizer_save(self.t, directory.encode(), c.byref(self.e)):
            raise Failed(self.e.code, self.e.message.decode())

    def run(self, text, pair=None, options=None):
        """The number of windows."""
        a = text if isinstance(text, bytes) else text.encode()
        b = pair.encode() if pair is not None else None
        self.e = Error()
        n = self.lib.bert_tokenize(self.enc, a, len(a), b, len(b) if b else 0,
                                 c.byref(options or self.default), c.byref(self.e))
        if n < 0:
            raise Failed(n, self.e.message.decode())
        return n

    def raw(self, text):
        """The library's view of a text's tokens, valid until the next one."""
        a = text.encode()
        if self.lib.bert_tokenize(self.enc, a, len(a), None, 0, self.default_ref, self.e_ref) < 0:
            raise Failed(self.e.code, self.e.message.decode())
        return self.lib.bert_tokenization_window(self.enc, 0)

    def window(self, i=0):
        """ids, type ids, word ids, sequence ids (None as -1), offsets flat, special mask."""
        w = self.lib.bert_tokenization_window(self.enc, i)
        n = w.n
        return (w.ids[:n], w.type_ids[:n], w.word_ids[:n], w.sequence_ids[:n], w.offsets[:2 * n], w.special[:n])

    def encode(self, text, pair=None, options=None):
        return [self.window(i) for i in range(self.run(text, pair, options))]

    def ids(self, text):
        a = text if isinstance(text, bytes) else text.encode()
        if len(self.room) < len(a) + 8:
            self.room = (c.c_int32 * (2 * len(a) + 8))()
        n = self.lib.bert_tokenize_ids(self.enc, a, len(a), self.room, len(self.room), None)
        return self.room[:n]

    def decode(self, ids, skip=True):
        a = (c.c_int32 * len(ids))(*ids)
        n = self.lib.bert_decode(self.t, a, len(ids), skip, None, 0, c.byref(self.e))
        if n < 0:
            raise Failed(n, self.e.message.decode())
        out = c.create_string_buffer(n + 1)
        self.lib.bert_decode(self.t, a, len(ids), skip, out, n + 1, None)
        return out.raw[:n].decode()


class Model:
    def __init__(self, path, lib=None):
        self.lib, self.e = lib or load(), Error()
        self.m = self.lib.bert_model_open(path.encode(), None, c.byref(self.e))
        self.s = self.m and self.lib.bert_session_new(self.m, None, c.byref(self.e))
        if not self.s:
            raise Failed(self.e.code, self.e.message.decode())

    def close(self):
        self.lib.bert_session_free(self.s)
        self.lib.bert_model_close(self.m)

    def head(self):
        return self.lib.bert_model_head(self.m).decode()

    def names(self, function):
        """What bert_model_new_parameter or bert_model_unused_tensor lists."""
        found = []
        while name := function(self.m, len(found)):
            found.append(name.decode())
        return found

    def save(self, directory):
        if self.lib.bert_model_save(self.m, directory.encode(), c.byref(self.e)):
            raise Failed(self.e.code, self.e.message.decode())

    def run(self, sequences, types):
        """Numbers of last_hidden_state, one sequence behind the other, and of the head's logits, or None."""
        flat, kinds, start = sum(sequences, []), sum(types, []), [0]
        for s in sequences:
            start.append(start[-1] + len(s))
        arrays = [(c.c_int32 * len(a))(*a) for a in (start, flat, kinds)]
        i = Inputs(n=len(sequences), start=arrays[0], ids=arrays[1], type_ids=arrays[2])
        o = Outputs()
        if self.lib.bert_session_run(self.s, c.byref(i), WANT_LOGITS, c.byref(o), c.byref(self.e)):
            raise Failed(self.e.code, self.e.message.decode())
        logits = o.logits[:o.logit_rows * o.logit_cols] if o.logits else None
        return o.last_hidden_state[:o.tokens * o.hidden_size], logits
