/* The disassembly of a tape, one line per instruction, made from the texts of pybackprop_instr.def:

     forward                                       arena 16192 bytes, image 8
        0  @64 = exp(in0)                          EXP         f64 [1003]
        1  @64 *= 2.0                              MUL         f64 [1003]
        2  out0 = sum(@64)                         SUM         f64 [1003]
        3  loop 0, 5 times                         w4 = in0 + 48 t, w5 = out1 + 8 t
        4    f[2] = f[0] * g[1] + f[2]             FMA
        5  end 0
     reverse

   @64 is byte 64 of the arena, in0 and out0 are inputs and outputs (in0+16: byte 16), w4 is base 4,
   a window that a loop moves, const+8 lies in the constants; constants that stand for one number
   are printed as that.  f[..] and g[..] are scalar slots of the frame and of the arena.  An operand
   with a label is called by it.  `+=` (also -=, *=) is printed where the result goes to the same
   place as an operand. */
#include "core.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text cut off at `size`, its whole length counted. */
typedef struct writer {
    char *text;
    size_t size, length, line;
} writer;

static __attribute__((format(printf, 2, 3))) void write_text(writer *w, const char *format, ...)
{
    char piece[160];
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    const size_t used = n < 0 ? 0 : n < (int)sizeof piece ? (size_t)n : sizeof piece - 1;
    for (size_t i = 0; i < used; i++, w->length++) {
        if (w->length + 1 < w->size) {
            w->text[w->length] = piece[i];
        }
        if (piece[i] == '\n') {
            w->line = w->length + 1;
        }
    }
}

static void pad_to(writer *w, size_t column)
{
    do {
        write_text(w, " ");
    } while (w->length - w->line < column);
}

/* ---- names of places ---- */

/* The longest list of labels is walked once per operand printed: disassemblies are for people. */
static const char *label_of(const pbp_tape *tape, uint32_t operand)
{
    int64_t at = 0;
    if (tape->labels == NULL) {
        return NULL;
    }
    for (; operand > 0 && at < tape->labels_bytes; operand--) {
        at += (int64_t)strlen(tape->labels + at) + 1;
    }
    return at < tape->labels_bytes && tape->labels[at] != 0 ? tape->labels + at : NULL;
}

static void write_number(writer *w, const char *at, uint32_t dtype)
{
    double x;
    float y;
    int64_t i = 0;
    switch (dtype) {
    case PBP_FLOAT64:
        memcpy(&x, at, sizeof x);
        write_text(w, "%.17g", x);
        return;
    case PBP_FLOAT32:
        memcpy(&y, at, sizeof y);
        write_text(w, "%.9g", (double)y);
        return;
    default:
        memcpy(&i, at, (size_t)pbp_dtype_bytes(dtype));
        if (dtype == PBP_INT8 || dtype == PBP_INT16 || dtype == PBP_INT32) {
            const int shift = 64 - 8 * (int)pbp_dtype_bytes(dtype);
            i = (int64_t)((uint64_t)i << shift) >> shift;
        }
        write_text(w, dtype == PBP_UINT64 ? "%llu" : "%lld", (long long)i);
    }
}

static void write_base(writer *w, const pbp_tape *tape, uint32_t number, int64_t offset)
{
    const uint32_t kind = tape->bases[number].kind;
    if (kind == PBP_BASE_ARENA) {
        write_text(w, "@%lld", (long long)offset);
        return;
    }
    if (kind == PBP_BASE_CONST) {
        write_text(w, "const");
    } else if (kind == PBP_BASE_LOOP) {
        write_text(w, "w%u", number);
    } else {
        write_text(w, "%s%u", kind == PBP_BASE_INPUT ? "in" : "out",
                   number - 2 - (kind == PBP_BASE_INPUT ? 0 : tape->info.n_inputs));
    }
    if (offset != 0) {
        write_text(w, "+%lld", (long long)offset);
    }
}

/* Operand `number`; `single` if one element of it is used for all. */
static void write_operand(writer *w, const pbp_tape *tape, uint32_t number, bool single)
{
    const pbp_operand *operand = &tape->operands[number];
    const uint32_t kind = tape->bases[operand->base].kind;
    const char *label = label_of(tape, number);
    if (single &&
        (kind == PBP_BASE_CONST ||
         (kind == PBP_BASE_ARENA && operand->offset < tape->image_bytes)) &&
        operand->offset + pbp_dtype_bytes(operand->dtype) <= tape->consts_bytes) {
        write_number(w, tape->consts + operand->offset, operand->dtype);
    } else if (label != NULL) {
        write_text(w, "%.60s", label);
    } else {
        write_base(w, tape, operand->base, operand->offset);
    }
}

static void write_slot(writer *w, const pbp_tape *tape, uint32_t slot, bool in_frame)
{
    if (!in_frame && 8 * (int64_t)slot + 8 <= tape->image_bytes) {
        write_number(w, tape->consts + 8 * (size_t)slot, PBP_FLOAT64);
    } else {
        write_text(w, "%c[%u]", in_frame ? 'f' : 'g', slot);
    }
}

/* ---- instructions ---- */

/* What the words d, a, b, c of a text stand for. */
typedef struct place {
    uint32_t number; /* operand or slot */
    bool slot, in_frame, single;
} place;

static void write_place(writer *w, const pbp_tape *tape, const place *p)
{
    if (p->number == PBP_NONE) {
        write_text(w, "-");
    } else if (p->slot) {
        write_slot(w, tape, p->number, p->in_frame);
    } else {
        write_operand(w, tape, p->number, p->single);
    }
}

static void write_effect(writer *w, const pbp_tape *tape, const char *text, const place places[4])
{
    for (const char *p = text; *p != 0;) {
        size_t n = 0;
        while (isalnum((unsigned char)p[n]) || p[n] == '_') {
            n++;
        }
        if (n == 1 && *p >= 'a' && *p <= 'd') {
            write_place(w, tape, &places[*p == 'd' ? 0 : *p - 'a' + 1]);
        } else {
            write_text(w, "%.*s", n > 0 ? (int)n : 1, p);
        }
        p += n > 0 ? n : 1;
    }
}

static bool same_place(const pbp_tape *tape, const place *x, const place *y)
{
    if (x->number == PBP_NONE || y->number == PBP_NONE || x->slot != y->slot ||
        x->single != y->single) {
        return false;
    }
    if (x->slot) {
        return x->number == y->number && x->in_frame == y->in_frame;
    }
    const pbp_operand *p = &tape->operands[x->number], *q = &tape->operands[y->number];
    return p->base == q->base && p->offset == q->offset && p->dtype == q->dtype;
}

/* The part after d: " += b" where d is also an operand, else " = text". */
static const char *short_form(const pbp_tape *tape, const pbp_instruction *in,
                              const place places[4], const char *text, const char **sign)
{
    const bool a = same_place(tape, &places[0], &places[1]),
               b = same_place(tape, &places[0], &places[2]);
    const bool c = same_place(tape, &places[0], &places[3]);
    *sign = in->flags & PBP_FLAG_ACC && !(in->flags & PBP_FLAG_SCALAR) ? "+=" : "=";
    switch (in->row) {
    case PBP_ROW_ADD:
        *sign = a || b ? "+=" : "=";
        return a ? "b" : b ? "a" : text;
    case PBP_ROW_SUB:
        *sign = a ? "-=" : "=";
        return a ? "b" : text;
    case PBP_ROW_MUL:
        *sign = a || b ? "*=" : "=";
        return a ? "b" : b ? "a" : text;
    case PBP_ROW_DIV:
        *sign = a ? "/=" : "=";
        return a ? "b" : text;
    case PBP_ROW_FMA:
        *sign = c ? "+=" : "=";
        return c ? "a * b" : text;
    case PBP_ROW_FNMA:
        *sign = c ? "-=" : "=";
        return c ? "a * b" : text;
    default:
        return text;
    }
}

static void write_list(writer *w, const char *before, const int64_t *values, int64_t n)
{
    write_text(w, "%s[", before);
    for (int64_t i = 0; i < n; i++) {
        write_text(w, i == 0 ? "%lld" : ", %lld", (long long)values[i]);
    }
    write_text(w, "]");
}

/* Extents, as the group of the row lays them out. */
static void write_extents(writer *w, const pbp_tape *tape, const pbp_instruction *in,
                          const char *group)
{
    const int64_t *p = tape->params + in->params;
    if (strcmp(group, "copy") == 0) {
        write_list(w, " ", p + 1, p[0]);
        write_list(w, " strides ", p + 1 + p[0], p[0]);
        write_list(w, " from ", p + 1 + 2 * p[0], p[0]);
    } else if (strcmp(group, "matmul") == 0) {
        write_list(w, " m n k ", p, 3);
        if (p[9] != 1) {
            write_text(w, " batch %lld", (long long)p[9]);
        }
    } else if (strcmp(group, "linalg") == 0) {
        write_list(w, " m n k ", p + 1, 3);
        if (p[0] != 1) {
            write_text(w, " batch %lld", (long long)p[0]);
        }
        if (p[6] != 0) {
            write_text(w, " mode %lld", (long long)p[6]);
        }
    } else if (strcmp(group, "zero") == 0) {
        write_text(w, " %lld bytes", (long long)p[0]);
    } else if (strcmp(group, "index") == 0) {
        write_list(w, " outer n bound inner ", p, 4);
    } else if (strcmp(group, "wrap") == 0) {
        write_list(w, " n bound ", p, 2);
    } else if (strcmp(group, "sort") == 0) {
        write_list(w, " outer n ", p, 2);
    } else if (strcmp(group, "search") == 0) {
        write_list(w, p[3] ? " right outer n m " : " left outer n m ", p, 3);
    } else if (strcmp(group, "fft") == 0) {
        write_list(w, " outer n inner ", p, 3);
        write_list(w, " by ", p + 7, p[5]);
    } else if (strcmp(group, "sparse") == 0) {
        write_list(w, " m k nonzeros groups n ", p, 5);
    } else if (strcmp(group, "scan_sum") == 0) {
        write_list(w, " ", p, 3);
    } else {
        const int64_t skip = p[0] != 1 ? 0 : p[1] != 1 ? 1 : 2;
        write_list(w, " ", p + skip, 3 - skip);
    }
    write_text(w, "%s%s%s", in->flags & PBP_FLAG_COLUMNS ? " columns" : "",
               in->flags & PBP_FLAG_REVERSE ? " reverse" : "",
               in->flags & PBP_FLAG_ACC ? " acc" : "");
}

static void write_loop(writer *w, const pbp_tape *tape, uint32_t number, size_t column)
{
    const pbp_loop *loop = &tape->loops[number];
    write_text(w, "loop %u, %lld times%s", number, (long long)loop->trip,
               loop->parallel ? " in parallel" : "");
    for (uint32_t i = 0; i < loop->n_bases; i++) {
        const pbp_base *base = &tape->bases[loop->first_base + i];
        if (i == 0) {
            pad_to(w, column);
        } else {
            write_text(w, ", ");
        }
        write_text(w, "w%u = ", loop->first_base + i);
        write_base(w, tape, base->parent, base->offset);
        if (base->bump != 0) {
            write_text(w, " %c %lld t", base->bump < 0 ? '-' : '+',
                       (long long)(base->bump < 0 ? -base->bump : base->bump));
        }
        write_text(w, "%s", loop->first_base + i == loop->frame ? " (frame)" : "");
    }
    if (loop->frame != PBP_NONE && loop->frame - loop->first_base >= loop->n_bases) {
        pad_to(w, column);
        write_text(w, "frame w%u", loop->frame);
    }
}

static void write_instruction(writer *w, const pbp_tape *tape, uint32_t number, uint32_t depth)
{
    enum { NAME_COLUMN = 46, EXTENTS_COLUMN = 58 };
    const pbp_instruction *in = &tape->instructions[number];
    const bool scalar = (in->flags & PBP_FLAG_SCALAR) != 0;
    const bool load = in->row == PBP_ROW_SLOAD, store = in->row == PBP_ROW_SSTORE;
    pbp_instruction_row row;
    pbp_instruction_get(in->row, &row);
    write_text(w, "%4u  ", number);
    for (uint32_t i = 0; i < depth && i < 40; i++) {
        write_text(w, "  ");
    }
    if (in->row == PBP_ROW_LOOP_BEGIN) {
        write_loop(w, tape, in->d, NAME_COLUMN);
        return;
    }
    if (in->row == PBP_ROW_LOOP_END) {
        write_text(w, "end %u", in->d);
        return;
    }
    const uint32_t numbers[4] = {in->d, in->a, in->b, in->c};
    place places[4];
    for (uint32_t i = 0; i < 4; i++) {
        const bool used = i <= row.arity;
        const bool element = !scalar && (load || store);
        const bool single =
            i > 0 && !scalar && (in->flags >> (i - 1) & 1) && strcmp(row.group, "reduce") != 0;
        places[i] =
            (place){used ? numbers[i] : PBP_NONE, scalar || (load && i == 0) || (store && i == 1),
                    (in->flags >> (PBP_FRAME_SHIFT + i) & 1) != 0, single || (element && i == 1)};
    }
    const char *text = load || store ? "a" : row.text, *sign;
    if (strncmp(text, "d[", 2) == 0) {
        write_effect(w, tape, text, places);
    } else {
        text = short_form(tape, in, places, text, &sign);
        write_place(w, tape, &places[0]);
        write_text(w, " %s ", sign);
        write_effect(w, tape, text, places);
    }
    pad_to(w, NAME_COLUMN);
    write_text(w, "%s", row.name);
    if (!scalar && !load && !store) {
        const pbp_operand *d = &tape->operands[in->d];
        pad_to(w, EXTENTS_COLUMN);
        if (row.arity > 0 && tape->operands[in->a].dtype != d->dtype) {
            write_text(w, "%s -> ", pbp_dtype_name(tape->operands[in->a].dtype));
        }
        write_text(w, "%s", pbp_dtype_name(d->dtype));
        write_extents(w, tape, in, row.group);
    }
}

size_t pbp_tape_print(const pbp_tape *tape, char *text, size_t size)
{
    writer w = {text, size, 0, 0};
    uint32_t depth = 0;
    write_text(&w, "forward");
    pad_to(&w, 46);
    write_text(&w, "arena %llu bytes, image %lld\n", (unsigned long long)tape->info.arena_bytes,
               (long long)tape->image_bytes);
    for (uint32_t i = 0; i < tape->info.n_instructions; i++) {
        if (i == tape->info.reverse_start) {
            write_text(&w, "reverse\n");
        }
        depth -= tape->instructions[i].row == PBP_ROW_LOOP_END;
        write_instruction(&w, tape, i, depth);
        depth += tape->instructions[i].row == PBP_ROW_LOOP_BEGIN;
        write_text(&w, "\n");
    }
    if (size > 0) {
        text[w.length < size ? w.length : size - 1] = 0;
    }
    return w.length;
}
