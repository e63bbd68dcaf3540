#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

// libssl frees the buffer of a record as soon as it was read, and libcrypto frees copies of keys. With these functions they zero
// every block before they free it.
static void *zeroing_malloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return size ? malloc(size) : NULL;
}

static void zeroing_free(void *block, const char *file, int line) {
    (void)file;
    (void)line;
    if (!block) return;
    explicit_bzero(block, malloc_usable_size(block));
    free(block);
}

static void *zeroing_realloc(void *block, size_t size, const char *file, int line) {
    void *grown = zeroing_malloc(size, file, line);
    if (block && grown) {
        size_t old_size = malloc_usable_size(block);
        memcpy(grown, block, old_size < size ? old_size : size);
    }
    // As realloc(3), it keeps the block if there is no memory for another.
    if (grown || !size) zeroing_free(block, file, line);
    return grown;
}

// libcrypto has an exit handler, which destroys its state while other threads may use it. A thread that ends after that handler
// can no longer free what libcrypto keeps for it. The end of the process frees everything.
__attribute__((constructor)) static void set_up(void) {
    CRYPTO_set_mem_functions(zeroing_malloc, zeroing_realloc, zeroing_free);
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}
