#ifndef BERT_CLI_COMMANDS_H
#define BERT_CLI_COMMANDS_H
#include "cli.h"
extern const command tokenize_command, encode_command, embed_command, similarity_command,
    classify_command, train_command, evaluate_command, info_command, bench_command, rerank_command,
    answer_command, choose_command, fill_command, tag_command, next_sentence_command,
    train_tokenizer_command, convert_command, list_command, remove_command, pull_command,
    push_command, explain_command, serve_command;
#endif
