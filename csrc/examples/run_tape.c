/* Loads a tape file and runs it: run_tape FILE [RUNS].  Prints the disassembly; fills the inputs
   with ones, prints the first elements of float64 outputs, and the time per run.  A program that
   embeds the core does the same with its own buffers: load once, one workspace per thread, run as
   often as wanted. */
#include "pybackprop.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long length;
    if (file == NULL) {
        return NULL;
    }
    if (fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) >= 0 &&
        fseek(file, 0, SEEK_SET) == 0) {
        *size = (size_t)length;
        bytes = malloc(*size + 1);
        if (bytes != NULL && fread(bytes, 1, *size, file) != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    fclose(file);
    return bytes;
}

/* A buffer of the array's size, floats set to 1, the rest to 0; never NULL but for want of memory.
 */
static void *make_buffer(const pbp_array *array)
{
    void *buffer = calloc((size_t)array->bytes + 1, 1);
    for (uint64_t i = 0; buffer != NULL && i < array->bytes / 4; i++) {
        if (array->dtype == PBP_FLOAT32) {
            ((float *)buffer)[i] = 1;
        } else if (array->dtype == PBP_FLOAT64 && i < array->bytes / 8) {
            ((double *)buffer)[i] = 1;
        }
    }
    return buffer;
}

static double seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void show(const pbp_tape *tape, const pbp_tape_info *info, void *const *outputs)
{
    for (uint32_t i = 0; i < info->n_outputs; i++) {
        pbp_array array;
        pbp_tape_output(tape, i, &array);
        printf("out%u (%llu bytes)", i, (unsigned long long)array.bytes);
        for (uint64_t j = 0; array.dtype == PBP_FLOAT64 && j < array.bytes / 8 && j < 6; j++) {
            printf(" %.12g", ((const double *)outputs[i])[j]);
        }
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    size_t size = 0;
    const long runs = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
    char *bytes = argc > 1 ? read_file(argv[1], &size) : NULL;
    pbp_tape *tape = NULL;
    pbp_workspace *workspace = NULL;
    pbp_tape_info info = {0};
    pbp_error error;
    pbp_status status;
    void **buffers = NULL;
    if (bytes == NULL) {
        fprintf(stderr, "usage: run_tape FILE [RUNS]\n");
        return argc > 1;
    }
    status = pbp_tape_load(bytes, size, &tape, &error);
    if (status == PBP_OK) {
        status = pbp_workspace_new(tape, &workspace, &error);
    }
    if (status != PBP_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], error.message);
        goto end;
    }
    pbp_tape_info_get(tape, &info);
    const size_t length = pbp_tape_print(tape, NULL, 0);
    char *text = malloc(length + 1);
    if (text != NULL) {
        pbp_tape_print(tape, text, length + 1);
        fputs(text, stdout);
        free(text);
    }
    buffers = calloc(info.n_inputs + info.n_outputs + 1, sizeof *buffers);
    for (uint32_t i = 0; buffers != NULL && i < info.n_inputs + info.n_outputs; i++) {
        pbp_array array;
        if (i < info.n_inputs) {
            pbp_tape_input(tape, i, &array);
        } else {
            pbp_tape_output(tape, i - info.n_inputs, &array);
        }
        buffers[i] = make_buffer(&array);
        status = buffers[i] == NULL ? PBP_ERROR_MEMORY : status;
    }
    if (buffers == NULL || status != PBP_OK) {
        fprintf(stderr, "no memory for the arrays\n");
        goto end;
    }
    const double start = seconds();
    for (long i = 0; i < runs && status == PBP_OK; i++) {
        status = pbp_run(tape, workspace, (const void *const *)buffers, buffers + info.n_inputs,
                         NULL, &error);
    }
    if (status != PBP_OK) {
        fprintf(stderr, "%s\n", error.message);
        goto end;
    }
    show(tape, &info, buffers + info.n_inputs);
    printf("%.3f us per run, %s\n", (seconds() - start) * 1e6 / (double)(runs > 0 ? runs : 1),
           pbp_instruction_set());
end:
    for (uint32_t i = 0; buffers != NULL && i < info.n_inputs + info.n_outputs; i++) {
        free(buffers[i]);
    }
    free(buffers);
    pbp_workspace_free(workspace);
    pbp_tape_free(tape);
    free(bytes);
    return status != PBP_OK;
}
