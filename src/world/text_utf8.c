/* Characters: well-formed UTF-8, classes, small letters.  Written out rather than left to the C library, whose answers
 * depend on the locale of the machine. */
#include <string.h>

#include "text_private.h"

static bool is_tail(unsigned char byte) { return (byte & 0xC0) == 0x80; }

int utf8_length(const char *text, size_t left)
{
    const unsigned char *byte = (const unsigned char *)text;
    if (byte[0] < 0x80) return 1;
    int length = byte[0] < 0xC2 ? 0 : byte[0] < 0xE0 ? 2 : byte[0] < 0xF0 ? 3 : byte[0] < 0xF5 ? 4 : 0;
    if (length == 0 || (size_t)length > left) return 0;
    for (int i = 1; i < length; i++)
        if (!is_tail(byte[i])) return 0;
    if (byte[0] == 0xE0 && byte[1] < 0xA0) return 0; /* overlong */
    if (byte[0] == 0xED && byte[1] > 0x9F) return 0; /* surrogates */
    if (byte[0] == 0xF0 && byte[1] < 0x90) return 0; /* overlong */
    if (byte[0] == 0xF4 && byte[1] > 0x8F) return 0; /* above U+10FFFF */
    return length;
}

static int line_of(const char *text, size_t at)
{
    int line = 1;
    for (size_t i = 0; i < at; i++) line += text[i] == '\n';
    return line;
}

int utf8_check(const char *path, const char *text, size_t count, struct complaints *complaints)
{
    const char *nul = memchr(text, 0, count);
    size_t at = 0;
    if (nul)
        text_complain(complaints, "%s:%d: holds a NUL byte; this is no text", path, line_of(text, (size_t)(nul - text)));
    while (at < count) {
        int length = utf8_length(text + at, count - at);
        if (length == 0) {
            text_complain(complaints, "%s:%d: byte 0x%02x is not UTF-8 here; convert the file (iconv -t UTF-8)", path,
                     line_of(text, at), (unsigned char)text[at]);
            return -1;
        }
        at += (size_t)length;
    }
    return nul ? -1 : 0;
}

static uint32_t code_point(const unsigned char *byte, int length)
{
    static const unsigned char lead[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = byte[0] & lead[length];
    for (int i = 1; i < length; i++) code = code << 6 | (byte[i] & 0x3Fu);
    return code;
}

/* Blocks of the Unicode standard, coarsely. */
static enum character wide_class(uint32_t code)
{
    if (code == 0xA0 || (code >= 0x2000 && code <= 0x200A) || code == 0x3000) return CHARACTER_SPACE;
    bool symbol = code < 0xC0 || code == 0xD7 || code == 0xF7 || /* Latin-1 signs */
                  (code >= 0x2000 && code < 0x2C00) ||           /* punctuation, arrows, mathematics, shapes */
                  (code >= 0x3000 && code < 0x3040) ||           /* CJK punctuation */
                  (code >= 0xFE30 && code < 0xFE70) || (code >= 0xFF00 && code < 0xFF10) || code >= 0x1F000;
    return symbol ? CHARACTER_OTHER : CHARACTER_LETTER;
}

enum character character_class(const char *text, size_t left, int *length)
{
    unsigned char byte = (unsigned char)text[0];
    *length = utf8_length(text, left);
    CHECK(*length > 0, "ill-formed UTF-8 was let through");
    if (*length > 1) return wide_class(code_point((const unsigned char *)text, *length));
    if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') return CHARACTER_LETTER;
    if (byte >= '0' && byte <= '9') return CHARACTER_DIGIT;
    return byte == ' ' || (byte >= '\t' && byte <= '\r') ? CHARACTER_SPACE : CHARACTER_OTHER;
}

static uint32_t small_letter(uint32_t code)
{
    if (code >= 0xC0 && code <= 0xDE && code != 0xD7) return code + 0x20;    /* Latin-1 */
    if (code >= 0x391 && code <= 0x3A9 && code != 0x3A2) return code + 0x20; /* Greek */
    if (code >= 0x410 && code <= 0x42F) return code + 0x20;                  /* Cyrillic */
    if (code >= 0x400 && code <= 0x40F) return code + 0x50;
    return code;
}

void lower_case(char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char *byte = (unsigned char *)text + i;
        if (byte[0] >= 'A' && byte[0] <= 'Z') byte[0] |= 0x20;
        if (byte[0] < 0xC3 || byte[0] > 0xDF || i + 1 == count) continue; /* all the capitals above have two bytes */
        uint32_t code = small_letter(code_point(byte, 2));
        byte[0] = (unsigned char)(0xC0 | code >> 6);
        byte[1] = (unsigned char)(0x80 | (code & 0x3F));
        i++;
    }
}
