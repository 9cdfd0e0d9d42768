/* The page at /: server/page.html, which the build puts into the program. */
#ifndef BERT_SERVER_PAGE_H
#define BERT_SERVER_PAGE_H
#include <stddef.h>
extern const char page_html[];
extern const size_t page_html_size;
#endif
